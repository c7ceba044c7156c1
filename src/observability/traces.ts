// Spans, sent by OTLP to where OTEL_EXPORTER_OTLP_ENDPOINT says. The OpenTelemetry SDK takes 8 MiB and a tenth of a second
// of the start, so it is loaded only then. What the SDK itself reads of the environment (OTEL_EXPORTER_OTLP_HEADERS, …)
// counts too.
import type { IdGenerator } from '@opentelemetry/sdk-trace'
import { version } from '../version.ts'
import type { Log } from './log.ts'
import type { TraceContext } from './trace-context.ts'

type Attributes = Record<string, string | number | undefined>
export type SpanStart = {
  parent?: TraceContext | undefined
  /** Where others know the span by these. */
  traceId?: string
  spanId?: string
  isServer?: boolean
  at?: Date
  attributes?: Attributes
}
/** `name`: where it was not known before. */
export type SpanEnd = { name?: string; attributes?: Attributes; error?: string | undefined }
export type Span = Readonly<{
  /** What continues it elsewhere. undefined: there is no trace. */
  context: TraceContext | undefined
  end: (how?: SpanEnd) => void
}>

export type Traces = Readonly<{
  start: (name: string, start: SpanStart) => Span
  /** Sends what is not sent yet. */
  close: () => Promise<void>
}>

/** Without an endpoint a trace that a request brought goes on, and nobody is told. */
export const noTraces: Traces = {
  start: (_, { parent }) => ({ context: parent, end: () => undefined }),
  close: async () => undefined,
}

/** `url` takes OTLP over HTTP, as protobuf. */
export async function openTraces(url: string | undefined, role: string, log: Log): Promise<Traces> {
  if (url === undefined) return noTraces
  const [api, sdk, { OTLPTraceExporter }, { defaultResource, resourceFromAttributes, detectResources, envDetector }] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-proto'),
      import('@opentelemetry/resources'),
    ])
  const { DiagLogLevel, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags } = api
  const tell = (message: string, ...more: unknown[]) =>
    log.warn({ detail: more.map(String).join(' ') }, `traces: ${message}`)
  const say = () => undefined
  api.diag.setLogger({ error: tell, warn: tell, info: say, debug: say, verbose: say }, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true }) // prettier-ignore
  // The SDK asks for the ids of a span while it makes it, and for nothing else.
  let wanted: Pick<SpanStart, 'traceId' | 'spanId'> = {}
  const random = new sdk.RandomIdGenerator()
  const idGenerator: IdGenerator = {
    generateTraceId: () => wanted.traceId ?? random.generateTraceId(),
    generateSpanId: () => wanted.spanId ?? random.generateSpanId(),
  }
  const about = resourceFromAttributes({ 'service.name': 'ocpctl', 'service.version': version, 'ocpctl.role': role })
  const provider = new sdk.TracerProvider({
    idGenerator,
    resource: defaultResource()
      .merge(about)
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url }) })],
  })
  const tracer = provider.getTracer('ocpctl', version)
  return {
    start(name, { parent, traceId, spanId, isServer = false, at, attributes = {} }) {
      const context = parent
        ? api.trace.setSpanContext(ROOT_CONTEXT, {
            traceId: parent.traceId,
            spanId: parent.spanId,
            traceFlags: parent.isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
            isRemote: true,
          })
        : ROOT_CONTEXT
      wanted = { ...(traceId === undefined ? {} : { traceId }), ...(spanId === undefined ? {} : { spanId }) }
      const kind = isServer ? SpanKind.SERVER : SpanKind.INTERNAL
      const span = tracer.startSpan(name, { kind, attributes, ...(at && { startTime: at }) }, context)
      wanted = {}
      const made = span.spanContext()
      return {
        context: {
          traceId: made.traceId,
          spanId: made.spanId,
          isSampled: (made.traceFlags & TraceFlags.SAMPLED) !== 0,
        },
        end({ name: known, attributes: more = {}, error } = {}) {
          if (known !== undefined) span.updateName(known)
          span.setAttributes(more)
          if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error })
          span.end()
        },
      }
    },
    close: () => provider.shutdown(),
  }
}
