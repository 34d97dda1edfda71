package otelbridge

import (
	"math"
	"slices"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// maxExponentialBuckets is the maximum number of bucket points of one exponential
// histogram, not counting the point for +Inf. If there are more, neighbouring buckets are
// merged in pairs; the counts stay exact, and the buckets become wider.
const maxExponentialBuckets = 32

func addExponential[N int64 | float64](m *metricMapper, histogram metricdata.ExponentialHistogram[N]) {
	if !m.hasTemporality(histogram.Temporality) {
		return
	}
	for _, p := range histogram.DataPoints {
		m.measure(kindExponential, histogram.Temporality, p.Attributes, p.StartTime, p.Time)
		negative, positive, scale := mergeBuckets(trimEmpty(p.NegativeBucket), trimEmpty(p.PositiveBucket), p.Scale)

		var total uint64
		last := math.Inf(-1)
		bucket := func(bound float64, count uint64) {
			total += count
			// If float64 cannot distinguish the bound from the previous one or from
			// infinity, the count becomes part of the next bucket.
			if bound > last && !math.IsInf(bound, 1) {
				m.bucket(bound, total)
				last = bound
			}
		}
		for i, count := range slices.Backward(negative.Counts) {
			bound := -boundary(int64(negative.Offset)+int64(i), scale)
			if bound >= -p.ZeroThreshold { // float64 cannot represent this bound
				bound = math.Inf(-1)
			}
			bucket(bound, count)
		}
		bucket(p.ZeroThreshold, p.ZeroCount)
		for i, count := range positive.Counts {
			bucket(boundary(int64(positive.Offset)+int64(i)+1, scale), count)
		}
		m.bucket(math.Inf(1), p.Count)
		addStatistics(m, p.Sum, p.Count, p.Min, p.Max)
	}
}

// boundary returns base^index, where base is 2^(2^-scale).
func boundary(index int64, scale int32) float64 {
	return math.Exp2(math.Ldexp(float64(index), -int(scale)))
}

// trimEmpty removes the empty buckets at both ends.
func trimEmpty(b metricdata.ExponentialBucket) metricdata.ExponentialBucket {
	for len(b.Counts) > 0 && b.Counts[0] == 0 {
		b.Offset, b.Counts = b.Offset+1, b.Counts[1:]
	}
	for len(b.Counts) > 0 && b.Counts[len(b.Counts)-1] == 0 {
		b.Counts = b.Counts[:len(b.Counts)-1]
	}
	return b
}

// mergeBuckets merges neighbouring buckets until the negative, positive and zero
// buckets together are at most maxExponentialBuckets. It does not change its
// arguments.
func mergeBuckets(negative, positive metricdata.ExponentialBucket, scale int32) (n, p metricdata.ExponentialBucket, s int32) {
	shift := 0
	for bucketCount(negative, shift)+bucketCount(positive, shift)+1 > maxExponentialBuckets {
		shift++ // ends at 31 at the latest, where every index is 0 or -1
	}
	return mergePairs(negative, shift), mergePairs(positive, shift), scale - int32(shift)
}

// bucketCount returns the number of buckets after shift merges.
func bucketCount(b metricdata.ExponentialBucket, shift int) int {
	if len(b.Counts) == 0 {
		return 0
	}
	first, last := int64(b.Offset), int64(b.Offset)+int64(len(b.Counts))-1
	return int(last>>shift-first>>shift) + 1
}

// mergePairs merges neighbouring buckets in pairs, shift times.
func mergePairs(b metricdata.ExponentialBucket, shift int) metricdata.ExponentialBucket {
	if shift == 0 || len(b.Counts) == 0 {
		return b
	}
	out := metricdata.ExponentialBucket{Offset: b.Offset >> shift, Counts: make([]uint64, bucketCount(b, shift))}
	for i, count := range b.Counts {
		out.Counts[(int64(b.Offset)+int64(i))>>shift-int64(out.Offset)] += count
	}
	return out
}
