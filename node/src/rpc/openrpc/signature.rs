//! A method's parameters and result in a line: `(transaction: Call, block?: Block) -> [Log]?`.

/// What a method takes and gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signature<'a> {
    pub(super) params: Vec<Param<'a>>,
    pub(super) result: Type<'a>,
}

/// One parameter, by its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Param<'a> {
    pub(super) name: &'a str,
    /// It may be absent or `null`.
    pub(super) is_optional: bool,
    pub(super) ty: Type<'a>,
}

/// A type of the schemas, or one made of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Type<'a> {
    /// As the schemas call it.
    Named(&'a str),
    /// `[Type]`.
    List(Box<Type<'a>>),
    /// `Type?`: it, or `null`.
    Nullable(Box<Type<'a>>),
}

impl<'a> Signature<'a> {
    /// Reads a line; `None` if it is none.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let (params, result) = line.strip_prefix('(')?.split_once(") -> ")?;
        let params = params.split(", ").filter(|param| !param.is_empty()).map(Param::parse).collect::<Option<_>>()?;
        Some(Self { params, result: Type::parse(result)? })
    }
}

impl<'a> Param<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (name, ty) = text.split_once(": ")?;
        let required = name.strip_suffix('?');
        let (name, is_optional) = (required.unwrap_or(name), required.is_some());
        is_word(name).then_some(Self { name, is_optional, ty: Type::parse(ty)? })
    }
}

impl<'a> Type<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if let Some(of) = text.strip_suffix('?') {
            return Some(Self::Nullable(Box::new(Self::parse(of)?)));
        }
        if let Some(of) = text.strip_prefix('[') {
            return Some(Self::List(Box::new(Self::parse(of.strip_suffix(']')?)?)));
        }
        is_word(text).then_some(Self::Named(text))
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_a_line_and_refuses_what_is_none() {
        let read = Signature::parse("(hash: Hash, full?: Boolean) -> [Log]?").unwrap();
        let hash = Param { name: "hash", is_optional: false, ty: Type::Named("Hash") };
        let full = Param { name: "full", is_optional: true, ty: Type::Named("Boolean") };
        assert_eq!(read.params, [hash, full]);
        assert_eq!(read.result, Type::Nullable(Box::new(Type::List(Box::new(Type::Named("Log"))))));
        assert!(Signature::parse("() -> Text").unwrap().params.is_empty());
        for bad in
            ["", "()", "(a) -> Text", "(a: B -> C", "(a: [B) -> C", "(: A) -> B", "(a: A) -> ", "(a: A,b: B) -> C"]
        {
            assert_eq!(Signature::parse(bad), None, "{bad}");
        }
    }
}
