package celx_test

import (
	"errors"
	"testing"

	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/steps"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// An expression fails to compile with a CompileError, or every evaluation gives the same
// result, or every evaluation fails with an EvalError. Nothing panics.
// A program that counts its cost gives the same result as one that does not.
func FuzzCondition(f *testing.F) {
	for _, text := range []string{
		`data.amount + 1 == 6`, `data.items.all(i, i.price > 0)`, `data.a / data.b > 1.5`, `has(data.x) && data.x % 2 == 0`,
		`data.s.matches("^a+$")`, `[1, 2.0, "x"].exists(x, x == data)`, `{"a": 1u}["a"] + 1.5 > data`, `timestamp(data) < timestamp("2024-01-01T00:00:00Z")`,
	} {
		f.Add(text, `{"amount":5,"a":1e400,"b":9007199254740993,"items":[{"price":0.1}],"s":"aa","x":18446744073709551616}`)
	}
	f.Add(`data == "a" || data != data || data <= 1.5 && "x" in [data, "y"]`, `"a"`)
	f.Add(`data in previous || "a" in data || data.all(x, x < 1)`, `["a",1,null]`)
	f.Add(`data * data + data - data / data == data`, `-9223372036854775809`)
	f.Fuzz(func(t *testing.T, text, document string) {
		data, err := strictjson.Parse([]byte(document))
		if err != nil {
			return
		}
		compiled, err := language.Condition(text)
		if err != nil {
			if failure, ok := errors.AsType[*celx.CompileError](err); !ok || len(failure.Problems) == 0 || err.Error() == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		holds, err := compiled.Holds(t.Context(), data, nil)
		if _, ok := errors.AsType[*celx.EvalError](err); err != nil && (!ok || holds) {
			t.Fatalf("%q: %v, %v", text, holds, err)
		}
		counted, errCounted := compiled.Holds(steps.With(t.Context(), steps.New(1<<40)), data, nil)
		if !errors.Is(errCounted, celx.ErrCost) && (counted != holds || (err == nil) != (errCounted == nil)) {
			t.Fatalf("%q: %v, %v and, counted, %v, %v", text, holds, err, counted, errCounted)
		}
		again, errAgain := compiled.Holds(t.Context(), data, nil)
		if again != holds || (err == nil) != (errAgain == nil) {
			t.Fatalf("%q: %v, %v and then %v, %v", text, holds, err, again, errAgain)
		}
	})
}

// A condition of a policy evaluates, is checked and is explained without a panic, and the
// explanation has the result of the evaluation.
func FuzzPolicy(f *testing.F) {
	for _, text := range []string{
		`arguments.amount <= 100.0 && 'tellers' in claims.groups`, `request.hour('Europe/Berlin') < 6 || resource.owner == principal.id`,
		`arguments.items.map(i, i.price).exists_one(p, p == 1) ? arguments.note == null : has(params.known)`, `arguments['to'] in params.known`,
		`request.weekday(tool) in ['monday'] && !(action.tier != 'low')`, `[arguments] == [params] || {'a': arguments.codes[0]}.a == size(arguments)`,
		`principal.roles == ['teller'] && dyn(request).path == "" && timestamp(arguments.amount) < request.time`,
	} {
		f.Add(text)
	}
	c := checker(f, transferSchema)
	f.Fuzz(func(t *testing.T, text string) {
		compiled, err := policy.Condition(text)
		if err != nil {
			return
		}
		err = compiled.CheckWith(c)
		if _, ok := errors.AsType[*celx.CompileError](err); err != nil && !ok {
			t.Fatalf("%q: %v", text, err)
		}
		holds, err := compiled.HoldsIn(t.Context(), request(t))
		if _, ok := errors.AsType[*celx.EvalError](err); err != nil && (!ok || holds) {
			t.Fatalf("%q: %v, %v", text, holds, err)
		}
		trace := compiled.Explain(t.Context(), request(t))
		if !errors.Is(trace.Err, celx.ErrCost) && (trace.Holds != holds || (trace.Err == nil) != (err == nil)) {
			t.Fatalf("%q: %v, %v, explained as %v, %v", text, holds, err, trace.Holds, trace.Err)
		}
		if len(trace.Steps) == 0 {
			t.Fatalf("%q: no steps", text)
		}
	})
}
