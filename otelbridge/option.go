package otelbridge

import (
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// DefaultTimeout is the time limit of one export, including retries, unless
// [WithTimeout] sets another.
const DefaultTimeout = 10 * time.Second

// Option configures an exporter.
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

// WithTimeout sets the time limit of one export, including retries. The caller's
// context limits it too; the earlier end counts. Zero and negative durations are
// ignored, so that an export always has a limit. The client treats the limit as a
// deadline of the caller, so slow exports do not open its circuit breaker; see
// [aureus.BreakerPolicy].
func WithTimeout(timeout time.Duration) Option {
	return optionFunc(func(c *exporterConfig) {
		if timeout > 0 {
			c.timeout = timeout
		}
	})
}

// WithTemporalitySelector chooses cumulative or delta values for each kind of
// instrument. The default is cumulative for all kinds, which stays correct if a
// report is lost or repeated. A nil selector is ignored. Only a [MetricExporter]
// uses it.
func WithTemporalitySelector(selector sdkmetric.TemporalitySelector) Option {
	return optionFunc(func(c *exporterConfig) {
		if selector != nil {
			c.temporality = selector
		}
	})
}

// WithAggregationSelector chooses the aggregation for each kind of instrument. The
// default is [sdkmetric.DefaultAggregationSelector]. A nil selector is ignored.
// Only a [MetricExporter] uses it.
func WithAggregationSelector(selector sdkmetric.AggregationSelector) Option {
	return optionFunc(func(c *exporterConfig) {
		if selector != nil {
			c.aggregation = selector
		}
	})
}

// WithResourceAttributes names the resource attributes that every point has as
// tags, instead of service.name and service.instance.id. Each value of such a key
// makes separate series, so choose keys with few values. Only a [MetricExporter]
// uses it; spans always have all attributes of their resource.
func WithResourceAttributes(keys ...string) Option {
	return optionFunc(func(c *exporterConfig) { c.resourceKeys = keys })
}

// WithStartTimes adds the tag aureus.metric.start_time to the points of
// cumulative counters and histograms, so that a restart of the process begins a
// new series instead of lowering the values of the old one. Only a
// [MetricExporter] uses it.
func WithStartTimes() Option {
	return optionFunc(func(c *exporterConfig) { c.startTimes = true })
}
