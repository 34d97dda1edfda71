package otelbridge

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/jsonwrite"
)

// points collects the points of one export as JSON texts, and the values that
// cannot be sent.
type points struct {
	measurement measurement // the measurement of the next points
	text        []byte      // the JSON texts of all points
	ends        []int       // the end of each point in text
	indexes     []int       // the index of each point, counting rejected values too
	rejected    []aureus.Rejection
}

// number is a value, with its exact digits if float64 rounds it.
type number struct {
	value float64
	exact string
}

// exactLimit is the largest integer up to which float64 holds every integer.
const exactLimit = 1 << 53

func numberOf[N int64 | float64](n N) number {
	if i, isInt := any(n).(int64); isInt && (i > exactLimit || i < -exactLimit) {
		return number{float64(n), strconv.FormatInt(i, 10)}
	}
	return number{value: float64(n)}
}

func countOf(n uint64) number {
	if n > exactLimit {
		return number{float64(n), strconv.FormatUint(n, 10)}
	}
	return number{value: float64(n)}
}

// add appends a point of the current measurement. suffix is appended to the
// metric's name; if tag is not empty, the point has this tag too. Neither needs
// escaping. NaN and the infinities have no JSON form and are rejected.
func (p *points) add(suffix string, n number, tag, value string) {
	if math.IsNaN(n.value) || math.IsInf(n.value, 0) {
		p.reject(fmt.Sprintf("%.100q: the value %v has no JSON form", valid(p.measurement.name)+suffix, n.value))
		return
	}
	b := jsonwrite.String(append(p.text, `{"name":`...), p.measurement.name)
	b = append(append(b[:len(b)-1], suffix...), `","value":`...)
	b, _ = jsonwrite.Float(b, n.value)
	b = append(append(b, `,"timestamp":`...), p.measurement.timestamp...)
	b = append(append(b, `,"tags":{`...), p.measurement.tags...)
	b = appendIfSet(b, tagMetricIntValue, n.exact)
	if tag != "" {
		b = appendTag(b, tag, value)
	}
	b[len(b)-1] = '}' // replaces the comma after the last tag; there is at least the kind
	b = append(b, '}')
	p.text = b
	p.indexes = append(p.indexes, len(p.indexes)+len(p.rejected))
	p.ends = append(p.ends, len(p.text))
}

// item returns the JSON text of the ith point.
func (p *points) item(i int) []byte {
	start := 0
	if i > 0 {
		start = p.ends[i-1]
	}
	return p.text[start:p.ends[i]]
}

func (p *points) reject(reason string) {
	p.rejected = append(p.rejected, aureus.Rejection{Index: len(p.indexes) + len(p.rejected), Reason: reason})
}

// outcome returns the error of the export: that of the report together with the
// values rejected here. The indexes of rejections count all values of the export.
func (p *points) outcome(err error) error {
	if len(p.rejected) == 0 {
		return err
	}
	all := &aureus.PartialError{Op: "ReportMetricsFunc", Accepted: len(p.ends), Rejected: p.rejected}
	partial, ok := errors.AsType[*aureus.PartialError](err)
	switch {
	case err == nil:
		return all
	case !ok:
		all.Accepted, all.Err = 0, err // the number of accepted points is unknown
		return all
	}
	all.Accepted, all.Err = partial.Accepted, partial.Err
	for _, r := range partial.Rejected {
		if r.Index >= 0 && r.Index < len(p.indexes) {
			r.Index = p.indexes[r.Index]
		}
		all.Rejected = append(all.Rejected, r)
	}
	slices.SortStableFunc(all.Rejected, func(a, b aureus.Rejection) int { return cmp.Compare(a.Index, b.Index) })
	return all
}
