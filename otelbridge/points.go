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

// points gathers the flat values of one export as JSON texts, and what has no
// flat form.
type points struct {
	of       measurement // of which the next points are
	text     []byte      // one behind the other
	ends     []int       // where each ends
	places   []int       // of each, among all that was to be sent
	rejected []aureus.Rejection
}

// number is a value with its exact digits where float64 may have rounded it.
type number struct {
	value float64
	exact string
}

// exactLimit is where float64 stops telling neighbouring integers apart.
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

// add appends a value, with a tag more if tag is not empty. suffix stands behind
// the metric's name; neither needs escaping. NaN and the infinities have no JSON
// form: they are counted as rejected and leave the rest alone.
func (p *points) add(suffix string, n number, tag, value string) {
	if math.IsNaN(n.value) || math.IsInf(n.value, 0) {
		p.reject(fmt.Sprintf("%.100q: the value %v has no JSON form", valid(p.of.name)+suffix, n.value))
		return
	}
	b := jsonwrite.String(append(p.text, `{"name":`...), p.of.name)
	b = append(append(b[:len(b)-1], suffix...), `","value":`...)
	b, _ = jsonwrite.Float(b, n.value)
	b = append(append(b, `,"timestamp":`...), p.of.at...)
	b = append(append(b, `,"tags":{`...), p.of.tags...)
	b = appendIfSet(b, tagMetricIntValue, n.exact)
	if tag != "" {
		b = appendTag(b, tag, value)
	}
	b[len(b)-1] = '}' // there is at least the kind, with a comma behind it
	b = append(b, '}')
	p.text = b
	p.places = append(p.places, len(p.places)+len(p.rejected))
	p.ends = append(p.ends, len(p.text))
}

// at is the text of the ith value.
func (p *points) at(i int) []byte {
	start := 0
	if i > 0 {
		start = p.ends[i-1]
	}
	return p.text[start:p.ends[i]]
}

func (p *points) reject(reason string) {
	p.rejected = append(p.rejected, aureus.Rejection{Index: len(p.places) + len(p.rejected), Reason: reason})
}

// outcome joins what became of the report with what could not be reported.
// Indexes count everything that was to be sent.
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
		all.Accepted, all.Err = 0, err // none, as far as is known
		return all
	}
	all.Accepted, all.Err = partial.Accepted, partial.Err
	for _, r := range partial.Rejected {
		if r.Index >= 0 && r.Index < len(p.places) {
			r.Index = p.places[r.Index]
		}
		all.Rejected = append(all.Rejected, r)
	}
	slices.SortStableFunc(all.Rejected, func(a, b aureus.Rejection) int { return cmp.Compare(a.Index, b.Index) })
	return all
}
