package otelbridge

import (
	"math"
	"slices"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// maxExponentialBuckets bounds the points that one exponential histogram makes,
// beside the one of +Inf. Finer ones are merged two by two until they fit, which
// keeps every count and only widens the buckets.
const maxExponentialBuckets = 32

func addExponential[N int64 | float64](m *metricMapper, histogram metricdata.ExponentialHistogram[N]) {
	if !m.hasTemporality(histogram.Temporality) {
		return
	}
	for _, p := range histogram.DataPoints {
		m.measure(kindExponential, histogram.Temporality, p.Attributes, p.StartTime, p.Time)
		negative, positive, scale := downscale(trim(p.NegativeBucket), trim(p.PositiveBucket), p.Scale)

		var total uint64
		last := math.Inf(-1)
		bucket := func(bound float64, count uint64) {
			total += count
			// Where float64 cannot tell the bound from its neighbour, or from
			// infinity, the count goes on into the next bucket.
			if bound > last && !math.IsInf(bound, 1) {
				m.bucket(bound, total)
				last = bound
			}
		}
		for i, count := range slices.Backward(negative.Counts) {
			bound := -boundary(int64(negative.Offset)+int64(i), scale)
			if bound >= -p.ZeroThreshold { // too close to zero for float64
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

// boundary is base to the power of index, where base is 2 to the power of
// 2^-scale.
func boundary(index int64, scale int32) float64 {
	return math.Exp2(math.Ldexp(float64(index), -int(scale)))
}

// trim leaves out the empty buckets at both ends.
func trim(b metricdata.ExponentialBucket) metricdata.ExponentialBucket {
	for len(b.Counts) > 0 && b.Counts[0] == 0 {
		b.Offset, b.Counts = b.Offset+1, b.Counts[1:]
	}
	for len(b.Counts) > 0 && b.Counts[len(b.Counts)-1] == 0 {
		b.Counts = b.Counts[:len(b.Counts)-1]
	}
	return b
}

// downscale merges neighbouring buckets until both sides and the zero bucket
// fit the bound. The counts given are not changed.
func downscale(negative, positive metricdata.ExponentialBucket, scale int32) (n, p metricdata.ExponentialBucket, s int32) {
	shift := 0
	for merged(negative, shift)+merged(positive, shift)+1 > maxExponentialBuckets {
		shift++ // ends: at 31 every index is 0 or -1
	}
	return shifted(negative, shift), shifted(positive, shift), scale - int32(shift)
}

// merged is how many buckets are left when indexes lose their last bits.
func merged(b metricdata.ExponentialBucket, shift int) int {
	if len(b.Counts) == 0 {
		return 0
	}
	first, last := int64(b.Offset), int64(b.Offset)+int64(len(b.Counts))-1
	return int(last>>shift-first>>shift) + 1
}

func shifted(b metricdata.ExponentialBucket, shift int) metricdata.ExponentialBucket {
	if shift == 0 || len(b.Counts) == 0 {
		return b
	}
	out := metricdata.ExponentialBucket{Offset: b.Offset >> shift, Counts: make([]uint64, merged(b, shift))}
	for i, count := range b.Counts {
		out.Counts[(int64(b.Offset)+int64(i))>>shift-int64(out.Offset)] += count
	}
	return out
}
