package otelbridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/otelbridge"
)

var (
	pointStart = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	pointTime  = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
)

const pointText = aureus.Timestamp("2026-01-02T03:04:05.000000006Z")

// collected returns metrics as the SDK passes them to an exporter.
func collected(metrics ...metricdata.Metrics) *metricdata.ResourceMetrics {
	return &metricdata.ResourceMetrics{
		Resource: resource.NewSchemaless(
			attribute.String("service.name", "ledger"), attribute.String("service.instance.id", "i-1"), attribute.String("host.name", "h")),
		ScopeMetrics: []metricdata.ScopeMetrics{{Scope: instrumentation.Scope{Name: "lib", Version: "v1"}, Metrics: metrics}},
	}
}

// common returns the tags that every point of collected has, and the tags in more.
func common(kind string, more ...string) map[string]string {
	tags := map[string]string{
		"aureus.metric.kind": kind, "otel.scope.name": "lib", "otel.scope.version": "v1",
		"service.name": "ledger", "service.instance.id": "i-1",
	}
	if kind != "gauge" && kind != "summary" {
		tags["aureus.metric.temporality"] = "cumulative"
	}
	for i := 0; i < len(more); i += 2 {
		tags[more[i]] = more[i+1]
	}
	return tags
}

func exportMetrics(t testing.TB, rm *metricdata.ResourceMetrics, options ...otelbridge.Option) ([]aureus.Metric, error) {
	t.Helper()
	server := &intake{}
	client, _ := server.start(t)
	err := otelbridge.NewMetricExporter(client, options...).Export(context.Background(), rm)
	return server.gotMetrics(), err
}

func point[N int64 | float64](value N, attributes ...attribute.KeyValue) []metricdata.DataPoint[N] {
	return []metricdata.DataPoint[N]{{Attributes: attribute.NewSet(attributes...), StartTime: pointStart, Time: pointTime, Value: value}}
}

func TestMetricMapping_EachKind_HasItsPoints(t *testing.T) {
	t.Parallel()
	const cumulative, delta = metricdata.CumulativeTemporality, metricdata.DeltaTemporality
	tests := []struct {
		name    string
		metric  metricdata.Metrics
		options []otelbridge.Option
		want    []aureus.Metric
	}{
		{
			"gauge of integers, with its unit",
			metricdata.Metrics{Name: "queue", Unit: "{item}", Description: "not sent", Data: metricdata.Gauge[int64]{DataPoints: point[int64](7)}},
			nil,
			[]aureus.Metric{{Name: "queue", Value: 7, Timestamp: pointText, Tags: common("gauge", "aureus.metric.unit", "{item}")}},
		},
		{
			"gauge of floats with attributes",
			metricdata.Metrics{Name: "load", Data: metricdata.Gauge[float64]{DataPoints: point(0.25, attribute.Int("cpu", 1))}},
			nil,
			[]aureus.Metric{{Name: "load", Value: 0.25, Timestamp: pointText, Tags: common("gauge", "cpu", "1")}},
		},
		{
			"monotonic sum, without a suffix",
			metricdata.Metrics{Name: "calls", Data: metricdata.Sum[int64]{DataPoints: point[int64](3), Temporality: cumulative, IsMonotonic: true}},
			nil,
			[]aureus.Metric{{Name: "calls", Value: 3, Timestamp: pointText, Tags: common("counter")}},
		},
		{
			"other sum",
			metricdata.Metrics{Name: "open", Data: metricdata.Sum[float64]{DataPoints: point(-1.5), Temporality: cumulative}},
			nil,
			[]aureus.Metric{{Name: "open", Value: -1.5, Timestamp: pointText, Tags: common("updowncounter")}},
		},
		{
			"delta",
			metricdata.Metrics{Name: "calls", Data: metricdata.Sum[int64]{DataPoints: point[int64](3), Temporality: delta, IsMonotonic: true}},
			[]otelbridge.Option{otelbridge.WithStartTimes()},
			[]aureus.Metric{{Name: "calls", Value: 3, Timestamp: pointText, Tags: common("counter", "aureus.metric.temporality", "delta")}},
		},
		{
			"start time on request",
			metricdata.Metrics{Name: "calls", Data: metricdata.Sum[int64]{DataPoints: point[int64](3), Temporality: cumulative, IsMonotonic: true}},
			[]otelbridge.Option{otelbridge.WithStartTimes()},
			[]aureus.Metric{{Name: "calls", Value: 3, Timestamp: pointText, Tags: common("counter", "aureus.metric.start_time", "2026-01-02T03:00:00Z")}},
		},
		{
			"an integer beyond 2^53 keeps its digits",
			metricdata.Metrics{Name: "big", Data: metricdata.Gauge[int64]{DataPoints: append(point[int64](1<<53+1), point[int64](-math.MaxInt64)...)}},
			nil,
			[]aureus.Metric{
				{Name: "big", Value: 1 << 53, Timestamp: pointText, Tags: common("gauge", "aureus.metric.int_value", "9007199254740993")},
				{Name: "big", Value: -1 << 63, Timestamp: pointText, Tags: common("gauge", "aureus.metric.int_value", "-9223372036854775807")},
			},
		},
		{
			"2^53 itself needs no exact digits",
			metricdata.Metrics{Name: "big", Data: metricdata.Gauge[int64]{DataPoints: point[int64](1 << 53)}},
			nil,
			[]aureus.Metric{{Name: "big", Value: 1 << 53, Timestamp: pointText, Tags: common("gauge")}},
		},
		{
			"histogram",
			metricdata.Metrics{Name: "d", Data: metricdata.Histogram[float64]{Temporality: cumulative, DataPoints: []metricdata.HistogramDataPoint[float64]{{
				Time: pointTime, Count: 6, Bounds: []float64{0.5, 1e21}, BucketCounts: []uint64{1, 2, 3}, Sum: 9.5,
				Min: metricdata.NewExtrema(0.1), Max: metricdata.NewExtrema(5.0),
			}}}},
			nil,
			[]aureus.Metric{
				{Name: "d.bucket", Value: 1, Timestamp: pointText, Tags: common("histogram", "le", "0.5")},
				{Name: "d.bucket", Value: 3, Timestamp: pointText, Tags: common("histogram", "le", "1e+21")},
				{Name: "d.bucket", Value: 6, Timestamp: pointText, Tags: common("histogram", "le", "+Inf")},
				{Name: "d.sum", Value: 9.5, Timestamp: pointText, Tags: common("histogram")},
				{Name: "d.count", Value: 6, Timestamp: pointText, Tags: common("histogram")},
				{Name: "d.min", Value: 0.1, Timestamp: pointText, Tags: common("histogram")},
				{Name: "d.max", Value: 5, Timestamp: pointText, Tags: common("histogram")},
			},
		},
		{
			"histogram without buckets, extremes or measurements",
			metricdata.Metrics{Name: "d", Data: metricdata.Histogram[int64]{Temporality: cumulative, DataPoints: []metricdata.HistogramDataPoint[int64]{{Time: pointTime}}}},
			nil,
			[]aureus.Metric{
				{Name: "d.bucket", Value: 0, Timestamp: pointText, Tags: common("histogram", "le", "+Inf")},
				{Name: "d.sum", Value: 0, Timestamp: pointText, Tags: common("histogram")},
				{Name: "d.count", Value: 0, Timestamp: pointText, Tags: common("histogram")},
			},
		},
		{
			"exponential histogram with both signs",
			metricdata.Metrics{Name: "e", Data: metricdata.ExponentialHistogram[int64]{Temporality: cumulative, DataPoints: []metricdata.ExponentialHistogramDataPoint[int64]{{
				Time: pointTime, Count: 15, Sum: 40, Scale: 0, ZeroCount: 2, ZeroThreshold: 0.25,
				NegativeBucket: metricdata.ExponentialBucket{Offset: 0, Counts: []uint64{1, 2}},
				PositiveBucket: metricdata.ExponentialBucket{Offset: 1, Counts: []uint64{4, 0, 6, 0}},
			}}}},
			nil,
			[]aureus.Metric{
				{Name: "e.bucket", Value: 2, Timestamp: pointText, Tags: common("exponential_histogram", "le", "-2")},
				{Name: "e.bucket", Value: 3, Timestamp: pointText, Tags: common("exponential_histogram", "le", "-1")},
				{Name: "e.bucket", Value: 5, Timestamp: pointText, Tags: common("exponential_histogram", "le", "0.25")},
				{Name: "e.bucket", Value: 9, Timestamp: pointText, Tags: common("exponential_histogram", "le", "4")},
				{Name: "e.bucket", Value: 9, Timestamp: pointText, Tags: common("exponential_histogram", "le", "8")},
				{Name: "e.bucket", Value: 15, Timestamp: pointText, Tags: common("exponential_histogram", "le", "16")},
				{Name: "e.bucket", Value: 15, Timestamp: pointText, Tags: common("exponential_histogram", "le", "+Inf")},
				{Name: "e.sum", Value: 40, Timestamp: pointText, Tags: common("exponential_histogram")},
				{Name: "e.count", Value: 15, Timestamp: pointText, Tags: common("exponential_histogram")},
			},
		},
		{
			"exponential histogram with empty buckets at both ends of both signs",
			metricdata.Metrics{Name: "e", Data: metricdata.ExponentialHistogram[int64]{Temporality: cumulative, DataPoints: []metricdata.ExponentialHistogramDataPoint[int64]{{
				Time: pointTime, Count: 9, Sum: 40, Scale: 0,
				NegativeBucket: metricdata.ExponentialBucket{Offset: -1, Counts: []uint64{0, 0, 5, 0}},
				PositiveBucket: metricdata.ExponentialBucket{Offset: 0, Counts: []uint64{0, 0, 0, 4, 0, 0}},
			}}}},
			nil,
			[]aureus.Metric{
				{Name: "e.bucket", Value: 5, Timestamp: pointText, Tags: common("exponential_histogram", "le", "-2")},
				{Name: "e.bucket", Value: 5, Timestamp: pointText, Tags: common("exponential_histogram", "le", "0")},
				{Name: "e.bucket", Value: 9, Timestamp: pointText, Tags: common("exponential_histogram", "le", "16")},
				{Name: "e.bucket", Value: 9, Timestamp: pointText, Tags: common("exponential_histogram", "le", "+Inf")},
				{Name: "e.sum", Value: 40, Timestamp: pointText, Tags: common("exponential_histogram")},
				{Name: "e.count", Value: 9, Timestamp: pointText, Tags: common("exponential_histogram")},
			},
		},
		{
			"exponential histogram with many empty buckets keeps its precision",
			metricdata.Metrics{Name: "e", Data: metricdata.ExponentialHistogram[int64]{Temporality: cumulative, DataPoints: []metricdata.ExponentialHistogramDataPoint[int64]{{
				Time: pointTime, Count: 3, Sum: 40, Scale: 1,
				PositiveBucket: metricdata.ExponentialBucket{Offset: -60, Counts: append(make([]uint64, 61), append([]uint64{1, 2}, make([]uint64, 60)...)...)},
			}}}},
			nil,
			[]aureus.Metric{
				{Name: "e.bucket", Value: 0, Timestamp: pointText, Tags: common("exponential_histogram", "le", "0")},
				{Name: "e.bucket", Value: 1, Timestamp: pointText, Tags: common("exponential_histogram", "le", "2")},
				{Name: "e.bucket", Value: 3, Timestamp: pointText, Tags: common("exponential_histogram", "le", "2.82842712474619")},
				{Name: "e.bucket", Value: 3, Timestamp: pointText, Tags: common("exponential_histogram", "le", "+Inf")},
				{Name: "e.sum", Value: 40, Timestamp: pointText, Tags: common("exponential_histogram")},
				{Name: "e.count", Value: 3, Timestamp: pointText, Tags: common("exponential_histogram")},
			},
		},
		{
			"exponential histogram at the limits of float64",
			metricdata.Metrics{Name: "e", Data: metricdata.ExponentialHistogram[float64]{Temporality: cumulative, DataPoints: []metricdata.ExponentialHistogramDataPoint[float64]{{
				Time: pointTime, Count: 4, Sum: 1, Scale: 0,
				NegativeBucket: metricdata.ExponentialBucket{Offset: -2000, Counts: []uint64{1}},
				PositiveBucket: metricdata.ExponentialBucket{Offset: 1022, Counts: []uint64{1, 2}},
			}}}},
			nil,
			[]aureus.Metric{
				{Name: "e.bucket", Value: 1, Timestamp: pointText, Tags: common("exponential_histogram", "le", "0")},
				{Name: "e.bucket", Value: 2, Timestamp: pointText, Tags: common("exponential_histogram", "le", "8.98846567431158e+307")},
				{Name: "e.bucket", Value: 4, Timestamp: pointText, Tags: common("exponential_histogram", "le", "+Inf")},
				{Name: "e.sum", Value: 1, Timestamp: pointText, Tags: common("exponential_histogram")},
				{Name: "e.count", Value: 4, Timestamp: pointText, Tags: common("exponential_histogram")},
			},
		},
		{
			"summary",
			metricdata.Metrics{Name: "s", Data: metricdata.Summary{DataPoints: []metricdata.SummaryDataPoint{{
				Time: pointTime, Count: 2, Sum: 3, QuantileValues: []metricdata.QuantileValue{{Quantile: 0.5, Value: 1}, {Quantile: 1, Value: 2}},
				Attributes: attribute.NewSet(attribute.String("quantile", "mine")),
			}}}},
			nil,
			[]aureus.Metric{
				{Name: "s.quantile", Value: 1, Timestamp: pointText, Tags: common("summary", "quantile", "0.5", "aureus.otel.attribute.quantile", "mine")},
				{Name: "s.quantile", Value: 2, Timestamp: pointText, Tags: common("summary", "quantile", "1", "aureus.otel.attribute.quantile", "mine")},
				{Name: "s.sum", Value: 3, Timestamp: pointText, Tags: common("summary", "aureus.otel.attribute.quantile", "mine")},
				{Name: "s.count", Value: 2, Timestamp: pointText, Tags: common("summary", "aureus.otel.attribute.quantile", "mine")},
			},
		},
		{
			"attributes with reserved names and with names of the resource",
			metricdata.Metrics{Name: "m", Data: metricdata.Gauge[int64]{DataPoints: point[int64](1,
				attribute.String("service.name", "other"), attribute.String("aureus.metric.kind", "counter"), attribute.String("le", "5"))}},
			nil,
			[]aureus.Metric{{Name: "m", Value: 1, Timestamp: pointText, Tags: common("gauge", "service.name", "other",
				"resource.service.name", "ledger", "aureus.otel.attribute.aureus.metric.kind", "counter", "le", "5")}},
		},
		{
			"chosen resource attributes",
			metricdata.Metrics{Name: "m", Data: metricdata.Gauge[int64]{DataPoints: point[int64](1)}},
			[]otelbridge.Option{otelbridge.WithResourceAttributes("host.name", "not.there")},
			[]aureus.Metric{{Name: "m", Value: 1, Timestamp: pointText, Tags: map[string]string{
				"aureus.metric.kind": "gauge", "otel.scope.name": "lib", "otel.scope.version": "v1", "host.name": "h",
			}}},
		},
		{
			"text that is not UTF-8",
			metricdata.Metrics{Name: "m\xff", Unit: "u\xff", Data: metricdata.Gauge[int64]{DataPoints: point[int64](1, attribute.String("k\xff", "v\xff"))}},
			nil,
			[]aureus.Metric{{Name: "m\uFFFD", Value: 1, Timestamp: pointText, Tags: common("gauge", "aureus.metric.unit", "u\uFFFD", "k\uFFFD", "v\uFFFD")}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := exportMetrics(t, collected(test.metric), test.options...)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestMetricMapping_NoTimestamp_UsesTheExportTime(t *testing.T) {
	t.Parallel()
	before := time.Now()
	got, err := exportMetrics(t, oneMetric())
	require.NoError(t, err)
	at, ok := got[0].Timestamp.Time()
	require.True(t, ok)
	require.WithinRange(t, at, before, time.Now())
}

// Values that cannot be sent are rejected one by one; the others are sent.
func TestMetricMapping_Unrepresentable_IsRejected(t *testing.T) {
	t.Parallel()
	metrics := collected(
		metricdata.Metrics{Name: "nan", Data: metricdata.Gauge[float64]{DataPoints: append(point(math.NaN()), point(1.0)...)}},
		metricdata.Metrics{Name: "none"},
		metricdata.Metrics{Name: "time", Data: metricdata.Sum[int64]{DataPoints: point[int64](1)}},
		metricdata.Metrics{Name: "hist", Data: metricdata.Histogram[float64]{}},
		metricdata.Metrics{Name: "inf", Data: metricdata.Gauge[float64]{DataPoints: append(point(math.Inf(-1)), point(2.0)...)}},
	)
	got, err := exportMetrics(t, metrics)
	require.Len(t, got, 2)
	partial, ok := errors.AsType[*aureus.PartialError](err)
	require.True(t, ok, err)
	require.Equal(t, 2, partial.Accepted)
	require.Equal(t, "ReportMetricsFunc", partial.Op, "the same operation as for rejections by the server")
	require.Equal(t, []aureus.Rejection{
		{Index: 0, Reason: `"nan": the value NaN has no JSON form`},
		{Index: 2, Reason: `"none": the aggregation <nil> is not supported`},
		{Index: 3, Reason: `"time": the temporality 0 is not supported`},
		{Index: 4, Reason: `"hist": the temporality 0 is not supported`},
		{Index: 5, Reason: `"inf": the value -Inf has no JSON form`},
	}, partial.Rejected)

	got, err = exportMetrics(t, collected(metricdata.Metrics{Name: "nan", Data: metricdata.Gauge[float64]{DataPoints: point(math.NaN())}}))
	require.Empty(t, got)
	require.ErrorAs(t, err, &partial, "also if no value can be sent")
}

// Rejections by the server and by the exporter are merged in the order of their
// indexes.
func TestMetricMapping_ServerRejects_IndexesAreMerged(t *testing.T) {
	t.Parallel()
	server := &intake{refuse: func(item json.RawMessage) string {
		if strings.Contains(string(item), `"name":"bad"`) {
			return "no"
		}
		return ""
	}}
	client, _ := server.start(t)
	gauge := func(name string, values ...float64) metricdata.Metrics {
		var points []metricdata.DataPoint[float64]
		for _, v := range values {
			points = append(points, point(v)...)
		}
		return metricdata.Metrics{Name: name, Data: metricdata.Gauge[float64]{DataPoints: points}}
	}
	err := otelbridge.NewMetricExporter(client).Export(context.Background(), collected(
		gauge("good", 1), gauge("nan", math.NaN()), gauge("bad", 1), gauge("nan", math.NaN()), gauge("good", 1)))
	partial, ok := errors.AsType[*aureus.PartialError](err)
	require.True(t, ok, err)
	require.Equal(t, 2, partial.Accepted)
	indexes := []int{}
	for _, r := range partial.Rejected {
		indexes = append(indexes, r.Index)
	}
	require.Equal(t, []int{1, 2, 3}, indexes)
}

// The bucket counts are exact for every distribution of values, and the number of
// buckets is limited.
func TestMetricMapping_ExponentialHistogram_HasFewExactBuckets(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, spread := range []float64{0.01, 1, 10, 100} {
		t.Run(strconv.FormatFloat(spread, 'g', -1, 64), func(t *testing.T) {
			server := &intake{}
			client, _ := server.start(t)
			e := otelbridge.NewMetricExporter(client, otelbridge.WithAggregationSelector(func(sdkmetric.InstrumentKind) sdkmetric.Aggregation {
				return sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}
			}))
			mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(e)))
			histogram, err := mp.Meter("m").Float64Histogram("h")
			require.NoError(t, err)
			values := make([]float64, 2000)
			for i := range values {
				values[i] = math.Exp(random.NormFloat64()*spread) * pick(random, 1.0, 1, -1)
				if i%50 == 0 {
					values[i] = 0
				}
				histogram.Record(context.Background(), values[i])
			}
			require.NoError(t, mp.Shutdown(context.Background()))

			buckets := 0
			last := math.Inf(-1)
			for _, m := range server.gotMetrics() {
				switch m.Name {
				case "h.count":
					require.InDelta(t, float64(len(values)), m.Value, 0)
				case "h.bucket":
					buckets++
					bound, err := strconv.ParseFloat(m.Tags["le"], 64)
					require.NoError(t, err)
					require.Greater(t, bound, last, "bounds increase")
					last = bound
					atMost := 0.0
					for _, v := range values {
						if v <= bound {
							atMost++
						}
					}
					require.InDelta(t, atMost, m.Value, 0, "le=%v", bound)
				}
			}
			require.True(t, math.IsInf(last, 1), "the last bucket holds everything")
			require.LessOrEqual(t, buckets, 33)
			require.Greater(t, buckets, 8, "buckets are not merged more than needed")
		})
	}
}

func TestMetricExporter_Selectors_AreUsed(t *testing.T) {
	t.Parallel()
	server := &intake{}
	client, _ := server.start(t)
	e := otelbridge.NewMetricExporter(client, otelbridge.WithTemporalitySelector(nil), otelbridge.WithAggregationSelector(nil))
	require.Equal(t, metricdata.CumulativeTemporality, e.Temporality(sdkmetric.InstrumentKindCounter), "the default")
	require.Equal(t, sdkmetric.AggregationSum{}, e.Aggregation(sdkmetric.InstrumentKindCounter))

	e = otelbridge.NewMetricExporter(client, otelbridge.WithTemporalitySelector(sdkmetric.DeltaTemporalitySelector))
	reader := sdkmetric.NewPeriodicReader(e)
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	counter, err := mp.Meter("m").Int64Counter("c")
	require.NoError(t, err)
	for range 2 {
		counter.Add(context.Background(), 2)
		require.NoError(t, mp.ForceFlush(context.Background()))
	}
	require.NoError(t, mp.Shutdown(context.Background()))
	got := server.gotMetrics()
	require.Len(t, got, 2)
	for _, m := range got {
		require.InDelta(t, 2.0, m.Value, 0, "each report has only the change")
		require.Equal(t, "delta", m.Tags["aureus.metric.temporality"])
	}
}

// The SDK marks the series beyond its cardinality limit; the tag is kept.
func TestMetricMapping_CardinalityOverflow_KeepsTheMark(t *testing.T) {
	t.Parallel()
	server := &intake{}
	client, _ := server.start(t)
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithCardinalityLimit(2),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(otelbridge.NewMetricExporter(client))))
	counter, err := mp.Meter("m").Int64Counter("c")
	require.NoError(t, err)
	for i := range 5 {
		counter.Add(context.Background(), 1, metric.WithAttributes(attribute.Int("i", i)))
	}
	require.NoError(t, mp.Shutdown(context.Background()))
	marked := 0
	for _, m := range server.gotMetrics() {
		if m.Tags["otel.metric.overflow"] == "true" {
			marked++
		}
	}
	require.Equal(t, 1, marked)
}
