package otelbridge

import (
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/farmountain/aureus-go/aureus"
)

// ObserveOption configures [Guard] and [Gate].
type ObserveOption interface{ apply(*observeConfig) }

type observeOptionFunc func(*observeConfig)

func (f observeOptionFunc) apply(c *observeConfig) { f(c) }

type observeConfig struct {
	guardName string
	meters    metric.MeterProvider
}

func newObserveConfig(options []ObserveOption) observeConfig {
	config := observeConfig{guardName: "goal_guard"}
	for _, option := range options {
		option.apply(&config)
	}
	return config
}

// WithGuardName sets the name of a guard in telemetry, goal_guard by default. It
// is an attribute of metrics, so use a few fixed names only.
func WithGuardName(name string) ObserveOption {
	return observeOptionFunc(func(c *observeConfig) { c.guardName = name })
}

// WithMeterProvider adds a histogram of durations in seconds by name and outcome:
// aureus.guard.evaluation.duration for a guard, aureus.crv.gate.duration for a
// gate. Without it no metric is recorded.
func WithMeterProvider(provider metric.MeterProvider) ObserveOption {
	return observeOptionFunc(func(c *observeConfig) { c.meters = provider })
}

// durations returns a histogram of seconds, or nil without a provider.
func (c observeConfig) durations(name, description string) metric.Float64Histogram {
	if c.meters == nil {
		return nil
	}
	histogram, err := c.meters.Meter(scopeName, metric.WithInstrumentationVersion(aureus.Version)).Float64Histogram(name,
		metric.WithUnit("s"), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(.000001, .00001, .0001, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10))
	if err != nil {
		otel.Handle(err) // the returned histogram can be used anyway
	}
	return histogram
}

// maxAttribute is the length, in bytes, to which texts from requests and decisions
// are cut.
const maxAttribute = 256

// bounded cuts a text to maxAttribute bytes and removes what is not UTF-8.
func bounded(text string) string {
	if len(text) > maxAttribute {
		text = text[:maxAttribute]
	}
	return strings.ToValidUTF8(text, "")
}
