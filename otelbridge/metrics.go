package otelbridge

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/farmountain/aureus-go/aureus"
)

// metricMapper turns one collection of the SDK into flat points. It serves one
// export and is not safe for concurrent use.
type metricMapper struct {
	points
	now        time.Time // for points that carry no time
	startTimes bool
	resource   []pair
	scope      instrumentation.Scope
	metric     metricdata.Metrics
	name       string
}

func (e *MetricExporter) flat(rm *metricdata.ResourceMetrics, now time.Time) *metricMapper {
	m := &metricMapper{now: now, startTimes: e.config.startTimes, resource: allowed(rm.Resource, e.config.resourceKeys)}
	for _, scope := range rm.ScopeMetrics {
		m.scope = scope.Scope
		for _, metric := range scope.Metrics {
			m.metric, m.name = metric, valid(metric.Name)
			m.add(metric.Data)
		}
	}
	return m
}

func allowed(res *resource.Resource, keys []string) []pair {
	var pairs []pair
	for _, key := range keys {
		if value, ok := res.Set().Value(attribute.Key(key)); ok {
			pairs = append(pairs, textOf(attribute.KeyValue{Key: attribute.Key(key), Value: value}))
		}
	}
	return pairs
}

func (m *metricMapper) add(data metricdata.Aggregation) {
	switch data := data.(type) {
	case metricdata.Gauge[int64]:
		addValues(m, kindGauge, 0, data.DataPoints)
	case metricdata.Gauge[float64]:
		addValues(m, kindGauge, 0, data.DataPoints)
	case metricdata.Sum[int64]:
		addSum(m, data)
	case metricdata.Sum[float64]:
		addSum(m, data)
	case metricdata.Histogram[int64]:
		addHistogram(m, data)
	case metricdata.Histogram[float64]:
		addHistogram(m, data)
	case metricdata.ExponentialHistogram[int64]:
		addExponential(m, data)
	case metricdata.ExponentialHistogram[float64]:
		addExponential(m, data)
	case metricdata.Summary:
		m.addSummary(data)
	default:
		m.reject(fmt.Sprintf("%.100q: the aggregation %T is not supported", m.name, data))
	}
}

func addSum[N int64 | float64](m *metricMapper, sum metricdata.Sum[N]) {
	kind := kindUpDownCounter
	if sum.IsMonotonic {
		kind = kindCounter
	}
	if m.hasTemporality(sum.Temporality) {
		addValues(m, kind, sum.Temporality, sum.DataPoints)
	}
}

func addValues[N int64 | float64](m *metricMapper, kind string, temporality metricdata.Temporality, list []metricdata.DataPoint[N]) {
	for _, p := range list {
		m.points.add(m.name, numberOf(p.Value), m.at(p.Time), m.tags(kind, temporality, p.Attributes, p.StartTime))
	}
}

func addHistogram[N int64 | float64](m *metricMapper, histogram metricdata.Histogram[N]) {
	if !m.hasTemporality(histogram.Temporality) {
		return
	}
	for _, p := range histogram.DataPoints {
		at, tags := m.at(p.Time), m.tags(kindHistogram, histogram.Temporality, p.Attributes, p.StartTime)
		var total uint64
		for i, bound := range p.Bounds {
			if i < len(p.BucketCounts) && !math.IsInf(bound, 1) {
				total += p.BucketCounts[i]
				m.bucket(bound, total, at, tags)
			}
		}
		m.bucket(math.Inf(1), p.Count, at, tags)
		addStatistics(m, p.Sum, p.Count, p.Min, p.Max, at, tags)
	}
}

// bucket writes how many measurements were at most the bound.
func (m *metricMapper) bucket(bound float64, total uint64, at aureus.Timestamp, tags map[string]string) {
	m.points.add(m.name+".bucket", countOf(total), at, with(tags, tagBound, formatBound(bound)))
}

// formatBound writes +Inf, or the shortest digits that read back the same.
func formatBound(bound float64) string { return strconv.FormatFloat(bound, 'g', -1, 64) }

func addStatistics[N int64 | float64](m *metricMapper, sum N, count uint64, least, most metricdata.Extrema[N], at aureus.Timestamp, tags map[string]string) {
	m.points.add(m.name+".sum", numberOf(sum), at, tags)
	m.points.add(m.name+".count", countOf(count), at, tags)
	if v, ok := least.Value(); ok {
		m.points.add(m.name+".min", numberOf(v), at, tags)
	}
	if v, ok := most.Value(); ok {
		m.points.add(m.name+".max", numberOf(v), at, tags)
	}
}

func (m *metricMapper) addSummary(summary metricdata.Summary) {
	for _, p := range summary.DataPoints {
		at, tags := m.at(p.Time), m.tags(kindSummary, 0, p.Attributes, p.StartTime)
		for _, q := range p.QuantileValues {
			m.points.add(m.name+".quantile", number{value: q.Value}, at, with(tags, tagQuantile, formatBound(q.Quantile)))
		}
		m.points.add(m.name+".sum", number{value: p.Sum}, at, tags)
		m.points.add(m.name+".count", countOf(p.Count), at, tags)
	}
}

// hasTemporality rejects a metric that does not say whether its values are
// totals or changes.
func (m *metricMapper) hasTemporality(t metricdata.Temporality) bool {
	if t == metricdata.CumulativeTemporality || t == metricdata.DeltaTemporality {
		return true
	}
	m.reject(fmt.Sprintf("%.100q: the temporality %d is not supported", m.name, t))
	return false
}

func (m *metricMapper) at(t time.Time) aureus.Timestamp {
	if t.IsZero() {
		t = m.now
	}
	return aureus.TimestampOf(t)
}

func (m *metricMapper) tags(kind string, temporality metricdata.Temporality, attributes attribute.Set, start time.Time) map[string]string {
	t := tags{make(map[string]string, attributes.Len()+len(m.resource)+8), reservedMetricTag}
	switch kind {
	case kindHistogram, kindExponential:
		t.reserved = reservedHistogramTag
	case kindSummary:
		t.reserved = reservedSummaryTag
	}
	t.own(tagMetricKind, kind)
	t.ownIfSet(tagMetricUnit, m.metric.Unit)
	switch temporality {
	case metricdata.CumulativeTemporality:
		t.own(tagMetricTemporality, "cumulative")
		if m.startTimes {
			t.ownIfSet(tagMetricStartTime, string(aureus.TimestampOf(start)))
		}
	case metricdata.DeltaTemporality:
		t.own(tagMetricTemporality, "delta")
	}
	t.scope(m.scope)
	for iter := attributes.Iter(); iter.Next(); {
		p := textOf(iter.Attribute())
		t.add(prefixAttribute, p.key, p.value)
	}
	for _, p := range m.resource {
		t.add(prefixResource, p.key, p.value)
	}
	return t.text
}

// reservedMetricTag names what only this package writes on a point.
func reservedMetricTag(key string) bool {
	return strings.HasPrefix(key, prefixMetric) || strings.HasPrefix(key, prefixScope) || strings.HasPrefix(key, prefixOwn)
}

func reservedHistogramTag(key string) bool { return key == tagBound || reservedMetricTag(key) }

func reservedSummaryTag(key string) bool { return key == tagQuantile || reservedMetricTag(key) }
