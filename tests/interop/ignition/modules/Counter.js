import { buildModule } from '@nomicfoundation/hardhat-ignition/modules';

export default buildModule('CounterModule', (m) => {
  const counter = m.contract('Counter', [m.getParameter('start', 40n)]);
  const counted = m.call(counter, 'count', [2n]);
  const number = m.staticCall(counter, 'number', [], 0, { after: [counted] });
  const second = m.contract('Counter', [number], { id: 'Second' });
  return { counter, second };
});
