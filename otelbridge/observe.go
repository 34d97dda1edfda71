package otelbridge

import (
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/farmountain/aureus-go/aureus"
)

// ObserveOption changes how [Guard] and [Gate] report.
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

// WithGuardName is what a guard is called in telemetry, goal_guard by default.
// It stands on metrics: choose one of a few fixed names.
func WithGuardName(name string) ObserveOption {
	return observeOptionFunc(func(c *observeConfig) { c.guardName = name })
}

// WithMeterProvider adds a histogram of durations in seconds, for a guard
// aureus.guard.evaluation.duration, for a gate aureus.crv.gate.duration, by name
// and outcome. Without it nothing is measured.
func WithMeterProvider(provider metric.MeterProvider) ObserveOption {
	return observeOptionFunc(func(c *observeConfig) { c.meters = provider })
}

// durations makes a histogram of seconds, and nil without a provider.
func (c observeConfig) durations(name, description string) metric.Float64Histogram {
	if c.meters == nil {
		return nil
	}
	histogram, err := c.meters.Meter(scopeName, metric.WithInstrumentationVersion(aureus.Version)).Float64Histogram(name,
		metric.WithUnit("s"), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(.000001, .00001, .0001, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10))
	if err != nil {
		otel.Handle(err) // the histogram beside it works, or does nothing
	}
	return histogram
}

// maxAttribute bounds what is taken over from requests and answers, in bytes.
const maxAttribute = 256

// bounded cuts a text from outside at the bound and mends it.
func bounded(text string) string {
	if len(text) > maxAttribute {
		text = text[:maxAttribute]
	}
	return strings.ToValidUTF8(text, "")
}
