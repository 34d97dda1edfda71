package aureus

import (
	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// decode reads an answer strictly into out, a pointer to a zero value. What
// comes most is read in one pass and without reflection. That either takes what
// the general reader would take, with the same result, or gives up, and then
// the general reader decides and says what is wrong.
//
// The body may be used again. Texts in out are parts of one copy of it as long
// as that is small, so that keeping one of them never keeps much more: see
// package jsonscan.
func decode(body []byte, out any) error {
	quick := false
	switch out := out.(type) {
	case *GuardDecision:
		quick = scan(body, out, scanDecision)
	case *GateResult:
		quick = scan(body, out, scanGateResult)
	case *Span:
		quick = scan(body, out, scanSpan)
	case *Metric:
		quick = scan(body, out, scanMetric)
	case *TelemetryEvent:
		quick = scan(body, out, scanEvent)
	}
	if quick {
		return nil
	}
	return strictjson.Unmarshal(body, out)
}

// scan reads the whole body by read, and leaves out as it was where that gives
// up.
func scan[T any](body []byte, out *T, read func(*jsonscan.Scanner, *T) bool) bool {
	s := jsonscan.New(string(body))
	if read(&s, out) && s.End() {
		return true
	}
	*out = *new(T)
	return false
}
