package otelbridge

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/farmountain/aureus-go/internal/jsonwrite"
)

// metricMapper converts one collection of the SDK to flat points. It is used for
// one export and is not safe for concurrent use.
type metricMapper struct {
	points
	now        time.Time // for points that carry no time
	startTimes bool
	resource   []attribute.KeyValue
	scope      scopeText
	metric     metricdata.Metrics
	name       string
	names      nameSet // of the tags of the current measurement
}

// measurement holds what the points of one data point of the SDK share. Its texts
// are overwritten by the next measurement.
type measurement struct {
	name      string
	timestamp []byte // JSON
	tags      []byte // JSON; see tags.go
}

var mappers = sync.Pool{New: func() any { return new(metricMapper) }}

// maxPooled is the capacity, in bytes, up to which the buffers are kept for
// another export.
const maxPooled = 1 << 20

// free returns the mapper's buffers to the pool. It keeps no reference to values
// of the SDK.
func (m *metricMapper) free() {
	if cap(m.text) > maxPooled {
		return
	}
	m.names.clear()
	*m = metricMapper{
		points: points{measurement: measurement{timestamp: m.measurement.timestamp[:0], tags: m.measurement.tags[:0]}, text: m.text[:0], ends: m.ends[:0], indexes: m.indexes[:0]},
		names:  m.names,
	}
	mappers.Put(m)
}

func (e *MetricExporter) flat(rm *metricdata.ResourceMetrics, now time.Time) *metricMapper {
	m, _ := mappers.Get().(*metricMapper)
	m.now, m.startTimes, m.resource = now, e.config.startTimes, selectAttributes(rm.Resource, e.config.resourceKeys)
	for _, scope := range rm.ScopeMetrics {
		m.scope.tagsOf(scope.Scope)
		for _, metric := range scope.Metrics {
			m.metric, m.name = metric, metric.Name
			m.add(metric.Data)
		}
	}
	return m
}

func selectAttributes(res *resource.Resource, keys []string) (list []attribute.KeyValue) {
	for _, key := range keys {
		if value, ok := res.Set().Value(attribute.Key(key)); ok {
			list = append(list, attribute.KeyValue{Key: attribute.Key(key), Value: value})
		}
	}
	return list
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
		m.measure(kind, temporality, p.Attributes, p.StartTime, p.Time)
		m.points.add("", numberOf(p.Value), "", "")
	}
}

func addHistogram[N int64 | float64](m *metricMapper, histogram metricdata.Histogram[N]) {
	if !m.hasTemporality(histogram.Temporality) {
		return
	}
	for _, p := range histogram.DataPoints {
		m.measure(kindHistogram, histogram.Temporality, p.Attributes, p.StartTime, p.Time)
		var total uint64
		for i, bound := range p.Bounds {
			if i < len(p.BucketCounts) && !math.IsInf(bound, 1) {
				total += p.BucketCounts[i]
				m.bucket(bound, total)
			}
		}
		m.bucket(math.Inf(1), p.Count)
		addStatistics(m, p.Sum, p.Count, p.Min, p.Max)
	}
}

// bucket adds the point of one bucket. total is the number of measurements that are at
// most bound.
func (m *metricMapper) bucket(bound float64, total uint64) {
	m.points.add(".bucket", countOf(total), tagBound, formatBound(bound))
}

// formatBound returns +Inf, or the shortest text that parses to the same float64.
func formatBound(bound float64) string { return strconv.FormatFloat(bound, 'g', -1, 64) }

func addStatistics[N int64 | float64](m *metricMapper, sum N, count uint64, minimum, maximum metricdata.Extrema[N]) {
	m.points.add(".sum", numberOf(sum), "", "")
	m.points.add(".count", countOf(count), "", "")
	if v, ok := minimum.Value(); ok {
		m.points.add(".min", numberOf(v), "", "")
	}
	if v, ok := maximum.Value(); ok {
		m.points.add(".max", numberOf(v), "", "")
	}
}

func (m *metricMapper) addSummary(summary metricdata.Summary) {
	for _, p := range summary.DataPoints {
		m.measure(kindSummary, 0, p.Attributes, p.StartTime, p.Time)
		for _, q := range p.QuantileValues {
			m.points.add(".quantile", number{value: q.Value}, tagQuantile, formatBound(q.Quantile))
		}
		m.points.add(".sum", number{value: p.Sum}, "", "")
		m.points.add(".count", countOf(p.Count), "", "")
	}
}

// hasTemporality rejects a metric whose temporality is neither cumulative nor
// delta, because its values have no meaning then.
func (m *metricMapper) hasTemporality(t metricdata.Temporality) bool {
	if t == metricdata.CumulativeTemporality || t == metricdata.DeltaTemporality {
		return true
	}
	m.reject(fmt.Sprintf("%.100q: the temporality %d is not supported", m.name, t))
	return false
}

// measure starts a measurement; the points added next belong to it.
func (m *metricMapper) measure(kind string, temporality metricdata.Temporality, attributes attribute.Set, start, end time.Time) {
	if end.IsZero() {
		end = m.now
	}
	reserved := reservedMetricTag
	switch kind {
	case kindHistogram, kindExponential:
		reserved = reservedHistogramTag
	case kindSummary:
		reserved = reservedSummaryTag
	}
	b := appendTag(m.measurement.tags[:0], tagMetricKind, kind)
	b = appendIfSet(b, tagMetricUnit, m.metric.Unit)
	switch temporality {
	case metricdata.CumulativeTemporality:
		b = appendTag(b, tagMetricTemporality, "cumulative")
		if m.startTimes && !start.IsZero() {
			b = append(appendTime(append(jsonwrite.String(b, tagMetricStartTime), ':'), start), ',')
		}
	case metricdata.DeltaTemporality:
		b = appendTag(b, tagMetricTemporality, "delta")
	}
	b = append(b, m.scope.text...)
	m.names.clear()
	for _, kv := range attributes.ToSlice() {
		if name, added := m.names.addAttribute(prefixAttribute, attributeName(kv.Key, prefixAttribute, reserved), &kv.Value); added {
			b = appendAttribute(b, name, &kv.Value)
		}
	}
	for i := range m.resource {
		kv := &m.resource[i]
		if name, added := m.names.addAttribute(prefixResource, attributeName(kv.Key, prefixResource, reserved), &kv.Value); added {
			b = appendAttribute(b, name, &kv.Value)
		}
	}
	m.measurement = measurement{name: m.name, timestamp: appendTime(m.measurement.timestamp[:0], end), tags: b}
}

// reservedMetricTag reports whether only this package may set the tag.
func reservedMetricTag(key string) bool {
	return strings.HasPrefix(key, prefixMetric) || strings.HasPrefix(key, prefixScope) || strings.HasPrefix(key, prefixOwn)
}

func reservedHistogramTag(key string) bool { return key == tagBound || reservedMetricTag(key) }

func reservedSummaryTag(key string) bool { return key == tagQuantile || reservedMetricTag(key) }
