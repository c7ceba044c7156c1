// The usage in the FinOps Open Cost and Usage Specification, https://focus.finops.org: a row a cluster, a day and a
// state. Pure. What it costs is an estimate, which x_Estimated says; list, contracted, effective and billed cost are the same.
import type { DayRow } from './report.ts'

export const focusVersions = ['1.0', '1.2'] as const
export type FocusVersion = (typeof focusVersions)[number]

/** What the rows say of where they come from. */
export type FocusSource = { installationId: string; priceBook: string }

const NAME = 'ocpctl'

type Value = string | null
const clouds: Record<string, string> = {
  aws: 'AWS',
  azure: 'Microsoft Azure',
  gcp: 'Google Cloud',
  ibmcloud: 'IBM Cloud',
}

/** Columns that a version does not have are left out of its rows. null is an empty field. */
const columns: Record<string, { of: (row: DayRow, source: FocusSource) => Value; since?: FocusVersion }> = {
  BilledCost: { of: usdOf },
  BillingAccountId: { of: (_, { installationId }) => installationId },
  BillingAccountName: { of: () => NAME },
  BillingAccountType: { of: () => 'Installation', since: '1.2' },
  BillingCurrency: { of: () => 'USD' },
  BillingPeriodEnd: { of: (row) => timeOf(monthOf(row.from, 1)) },
  BillingPeriodStart: { of: (row) => timeOf(monthOf(row.from, 0)) },
  ChargeCategory: { of: () => 'Usage' },
  // Only corrections have one.
  ChargeClass: { of: () => null },
  ChargeDescription: {
    of: (row) => `OpenShift cluster ${row.name}.${row.baseDomain}, ${row.status}, of profile ${row.profile}`,
  },
  ChargeFrequency: { of: () => 'Usage-Based' },
  ChargePeriodEnd: { of: (row) => timeOf(row.to) },
  ChargePeriodStart: { of: (row) => timeOf(row.from) },
  CommitmentDiscountCategory: { of: () => null },
  CommitmentDiscountId: { of: () => null },
  CommitmentDiscountName: { of: () => null },
  CommitmentDiscountStatus: { of: () => null },
  CommitmentDiscountType: { of: () => null },
  AvailabilityZone: { of: () => null },
  ConsumedQuantity: { of: hoursOf },
  ConsumedUnit: { of: () => 'Hours' },
  ContractedCost: { of: usdOf },
  ContractedUnitPrice: { of: (row) => row.usdPerHour },
  EffectiveCost: { of: usdOf },
  InvoiceIssuerName: { of: () => NAME },
  ListCost: { of: usdOf },
  ListUnitPrice: { of: (row) => row.usdPerHour },
  PricingCategory: { of: () => 'Standard' },
  PricingCurrency: { of: () => 'USD', since: '1.2' },
  PricingQuantity: { of: hoursOf },
  PricingUnit: { of: () => 'Hours' },
  ProviderName: { of: (row) => clouds[row.platform] ?? row.platform },
  PublisherName: { of: () => NAME },
  RegionId: { of: (row) => row.region },
  RegionName: { of: (row) => row.region },
  ResourceId: { of: (row) => row.clusterId },
  ResourceName: { of: (row) => `${row.name}.${row.baseDomain}` },
  ResourceType: { of: () => 'OpenShift cluster' },
  ServiceCategory: { of: () => 'Compute' },
  ServiceName: { of: () => 'OpenShift cluster' },
  ServiceSubcategory: { of: () => 'Containers', since: '1.2' },
  SkuId: { of: (row) => row.profile },
  SkuPriceId: { of: (row, { priceBook }) => `${row.profile}@${priceBook}` },
  SubAccountId: { of: (row) => (isUnowned(row) ? 'unowned' : row.team) },
  SubAccountName: { of: (row) => (isUnowned(row) ? 'of no team: the destroy failed' : row.team) },
  SubAccountType: { of: () => 'Team', since: '1.2' },
  Tags: {
    of: (row) =>
      JSON.stringify({
        ...(isUnowned(row) ? {} : { team: row.team }),
        owner: row.owner,
        profile: row.profile,
        ...(row.costCenter === null ? {} : { costCenter: row.costCenter }),
      }),
  },
  x_Estimated: { of: () => 'true' },
  x_State: { of: (row) => row.status },
}

/** What stands of a cluster whose destroy failed is nobody's spending. */
const isUnowned = ({ status }: DayRow) => status === 'DESTROY_FAILED'

function usdOf({ usd }: DayRow): string {
  return usd
}
function hoursOf({ hours }: DayRow): string {
  return hours
}
const timeOf = (at: Date) => at.toISOString().replace('.000Z', 'Z')
const monthOf = (at: Date, months: number) => new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + months))

const columnsOf = (version: FocusVersion) =>
  Object.entries(columns).filter(([, { since }]) => since === undefined || since <= version)

export const focusHeader = (version: FocusVersion): string => csvLine(columnsOf(version).map(([name]) => name))

export const focusLine = (row: DayRow, version: FocusVersion, source: FocusSource): string =>
  csvLine(columnsOf(version).map(([, { of }]) => of(row, source)))

/** A line as RFC 4180 has it. A field that a spreadsheet would take for a formula is told from one by an apostrophe. */
export function csvLine(fields: readonly (string | number | null)[]): string {
  return `${fields.map(csvField).join(',')}\r\n`
}

function csvField(field: string | number | null): string {
  if (field === null) return ''
  if (typeof field === 'number') return String(field)
  const safe = /^[=+@\t\r]/.test(field) || (field.startsWith('-') && Number.isNaN(Number(field))) ? `'${field}` : field
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
