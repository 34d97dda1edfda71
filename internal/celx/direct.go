package celx

import (
	"context"
	"slices"

	"github.com/farmountain/aureus-go/internal/steps"
)

// Most conditions of policies compare members of the request with constants and with each
// other. They are evaluated directly, by the code in the files direct_*.go, which takes a
// fraction of the time of CEL's interpreter and does not allocate.
//
// A direct evaluation gives the result and the cost of CEL's interpreter, or none at all:
// whatever it does not know for certain, such as a missing member, it leaves to the
// interpreter. So errors always come from there.

// Facts has the values of all variables of a policy's condition, in the types of the
// request: unlike a [Scope], it is not asked, and its free-form values may contain
// any types of Go. A direct evaluation leaves those that are not free-form JSON to the
// interpreter, which reads them converted, through a scope.
type Facts struct {
	Principal  Principal
	Claims     map[string]any
	OnBehalfOf string
	Action     Action
	Tool       string
	Arguments  any // nil is an object without members
	Resource   Resource
	Request    Request
	Params     map[string]any
}

// Counting says whether a direct evaluation counts its cost.
type Counting struct {
	Cost   bool          // an evaluation of an expression that is always metered counts its cost in any case
	Budget *steps.Budget // that bounds the cost, if it is counted; nil: the limit of one evaluation is the only one
}

// HoldsDirectly evaluates the condition without CEL's interpreter. If ok is true, the
// result is that of [Condition.HoldsIn], or of [Condition.HoldsCounted] if the cost is
// counted, which is then subtracted from the budget. If ok is false, the caller must
// evaluate the condition by one of the two, and the budget is as before or used up. It
// does not allocate, except for a text that is matched with a pattern and for a number of
// more than 15 digits, and it does not keep facts.
func (c *Condition) HoldsDirectly(ctx context.Context, facts *Facts, counting Counting) (holds, ok bool) {
	if c.direct == nil || ctx.Err() != nil {
		return false, false
	}
	t := c.begin(ctx, counting)
	answer := c.direct.holds(run{tally: &t, facts: facts})
	return answer == yes, answer != unsure && t.settle(counting.Budget)
}

// ValueDirectly evaluates the expression like [Number.ValueIn]; see
// [Condition.HoldsDirectly].
func (n *Number) ValueDirectly(ctx context.Context, facts *Facts, counting Counting) (number float64, ok bool) {
	if n.direct == nil || ctx.Err() != nil {
		return 0, false
	}
	t := n.begin(ctx, counting)
	result := n.direct.eval(run{tally: &t, facts: facts})
	return result.number, result.kind == numberKind && t.settle(counting.Budget)
}

func (p *program) begin(ctx context.Context, counting Counting) tally {
	t := tally{counting: counting.Cost, limit: p.limit}
	if p.Metered() {
		t.counting, t.done = true, ctx.Done()
	}
	return t
}

// run is what a direct evaluation works with. So that the compiler leaves it and the facts
// on the stack, an evaluation calls no method of an interface, and stores nothing of them
// through a pointer.
type run struct {
	*tally

	facts  *Facts
	locals [maxLocals]*value // of the comprehensions around the expression, the outermost first
}

// maxLocals is the number of comprehensions inside each other that are evaluated directly.
const maxLocals = 3

// tally counts what an evaluation takes.
type tally struct {
	counting bool            // whether cost is compared with limit
	done     <-chan struct{} // closed when the context is done; nil without a comprehension
	cost     int
	limit    int
	rounds   int // of comprehensions
}

// settle subtracts the cost from the budget. It reports whether the evaluation is within
// its limits.
func (t *tally) settle(budget *steps.Budget) bool {
	if !t.counting {
		return true
	}
	return t.cost <= t.limit && !budget.Spent() && budget.Spend(t.cost+1)
}

// goesOn is called after each round of a comprehension. It reports whether the evaluation
// is within its limits.
func (t *tally) goesOn() bool {
	t.rounds++
	if t.rounds%interruptInterval == 0 {
		select {
		case <-t.done:
			return false
		default:
		}
	}
	return t.cost <= t.limit
}

// answer is a result that is true or false, or not known. The zero value is unsure.
type answer uint8

const (
	unsure answer = iota // the interpreter must evaluate the expression
	no
	yes
)

func answerOf(b bool) answer {
	if b {
		return yes
	}
	return no
}

// not returns the opposite, which is not known either if the answer is not.
func (a answer) not() answer {
	if a == unsure {
		return unsure
	}
	return no + yes - a
}

// holds evaluates a part of a condition that is true or false.
func (n *node) holds(r run) answer {
	switch n.op {
	case opAnd:
		return n.logical(r, no, yes)
	case opOr:
		return n.logical(r, yes, no)
	case opNot:
		r.cost += n.cost
		return n.parts[0].holds(r).not()
	case opHas:
		return n.has(r)
	case opCompare:
		return n.compare(r)
	case opInSet:
		return n.fixed.set.contains(n.parts[0].eval(r))
	case opIn:
		return n.in(r)
	case opStartsWith, opEndsWith, opContains, opMatches:
		return n.textTest(r)
	case opAll, opExists, opExistsOne:
		return n.loop(r)
	case opLiteral, opPath, opChoice, opSize, opHour, opWeekday:
		if result := n.eval(r); result.kind == boolKind {
			return answerOf(result.number != 0)
		}
	}
	return unsure
}

// eval evaluates any part of a condition.
func (n *node) eval(r run) value {
	switch n.op {
	case opLiteral:
		return n.literal
	case opPath:
		return n.find(r)
	case opChoice:
		condition := n.parts[0].holds(r)
		if condition == unsure {
			return value{}
		}
		return n.parts[1+yes-condition].eval(r)
	case opSize:
		return n.size(r)
	case opHour, opWeekday:
		return n.clock(r)
	default:
		if result := n.holds(r); result != unsure {
			return value{kind: boolKind, number: float64(result - no)}
		}
		return value{}
	}
}

// logical evaluates && or ||. decisive is the result of an operand that is enough. An
// operand that is not known may be an error, which a decisive one makes irrelevant; but
// then its cost is not known.
func (n *node) logical(r run, decisive, otherwise answer) answer {
	result := otherwise
	for i := range n.parts {
		switch part := n.parts[i].holds(r); {
		case part == decisive:
			return decisive
		case part == unsure && r.counting:
			return unsure
		case part == unsure:
			result = unsure
		}
	}
	return result
}

// set is a constant list of texts, numbers, true and false.
type set struct {
	texts   []string // sorted
	numbers []float64
	bools   [2]bool // whether false and true are in the list
}

func (s *set) contains(v value) answer {
	switch v.kind {
	case textKind:
		if len(s.texts) <= 8 { // faster than a binary search
			return answerOf(slices.Contains(s.texts, v.text))
		}
		_, found := slices.BinarySearch(s.texts, v.text)
		return answerOf(found)
	case numberKind:
		return answerOf(slices.Contains(s.numbers, v.number))
	case boolKind:
		return answerOf(s.bools[int(v.number)])
	case nullKind:
		return no
	default:
		return unsure
	}
}
