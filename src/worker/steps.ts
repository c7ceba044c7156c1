// The durable steps of an operation, in order. After each of them a worker may die, and the next one makes it right.
export const createSteps = [
  'create:claimed',
  'create:earlier-destroyed',
  'create:ignition-made',
  'create:state-stored',
  'create:ledgered',
  'create:infrastructure-begun',
  'create:bootstrapped',
  'create:installed',
  'create:end-stored',
  'create:settled',
] as const
export const destroySteps = [
  'destroy:claimed',
  'destroy:restored',
  'destroy:installer-ended',
  'destroy:proved-empty',
  'destroy:entry-closed',
  'destroy:settled',
] as const
export type Step = (typeof createSteps)[number] | (typeof destroySteps)[number]
