package otelbridge

import (
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// DefaultTimeout is how long one export may take, retries included, unless
// [WithTimeout] says otherwise.
const DefaultTimeout = 10 * time.Second

// Option changes an exporter under construction.
type Option interface{ apply(*exporterConfig) }

type optionFunc func(*exporterConfig)

func (f optionFunc) apply(c *exporterConfig) { f(c) }

type exporterConfig struct {
	timeout      time.Duration
	temporality  sdkmetric.TemporalitySelector
	aggregation  sdkmetric.AggregationSelector
	resourceKeys []string
	startTimes   bool
}

func newExporterConfig(options []Option) exporterConfig {
	config := exporterConfig{
		timeout:      DefaultTimeout,
		temporality:  sdkmetric.DefaultTemporalitySelector,
		aggregation:  sdkmetric.DefaultAggregationSelector,
		resourceKeys: []string{"service.name", "service.instance.id"},
	}
	for _, option := range options {
		option.apply(&config)
	}
	return config
}

// WithTimeout bounds one export as a whole, retries included. The caller's
// context bounds it too; the earlier end counts. Zero and negative durations
// leave [DefaultTimeout]: an export without a bound would stop the service. To
// the client it is the caller's deadline, so that exports which take too long do
// not open its circuit breaker for others; see [aureus.BreakerPolicy].
func WithTimeout(timeout time.Duration) Option {
	return optionFunc(func(c *exporterConfig) {
		if timeout > 0 {
			c.timeout = timeout
		}
	})
}

// WithTemporalitySelector chooses between cumulative and delta values by the
// kind of instrument. The default is cumulative for all, which stays right when
// a report is lost or repeated. A nil selector leaves the default. For a
// [MetricExporter].
func WithTemporalitySelector(selector sdkmetric.TemporalitySelector) Option {
	return optionFunc(func(c *exporterConfig) {
		if selector != nil {
			c.temporality = selector
		}
	})
}

// WithAggregationSelector chooses how measurements are aggregated by the kind
// of instrument. A nil selector leaves the default,
// [sdkmetric.DefaultAggregationSelector]. For a [MetricExporter].
func WithAggregationSelector(selector sdkmetric.AggregationSelector) Option {
	return optionFunc(func(c *exporterConfig) {
		if selector != nil {
			c.aggregation = selector
		}
	})
}

// WithResourceAttributes names the attributes of the resource that every point
// carries as tags, in place of service.name and service.instance.id. Each value
// that a key takes makes series of its own, so choose keys with few. For a
// [MetricExporter]; a span always carries its whole resource.
func WithResourceAttributes(keys ...string) Option {
	return optionFunc(func(c *exporterConfig) { c.resourceKeys = keys })
}

// WithStartTimes adds the tag aureus.metric.start_time to the points of
// cumulative counters and histograms, so that a restart of the process shows as
// a new series instead of a drop. For a [MetricExporter].
func WithStartTimes() Option {
	return optionFunc(func(c *exporterConfig) { c.startTimes = true })
}
