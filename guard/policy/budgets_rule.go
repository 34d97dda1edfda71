package policy

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/namefold"
)

// budget is a compiled budget.
type budget struct {
	id      string
	at      syntax.Pos
	per     string // principal, action or all
	window  time.Duration
	sum     *amountExpression // nil: each request counts as 1
	limit   int64             // in millionths
	matched []*action
}

func (c *compiler) compileBudgets() {
	for i := range c.document.Budgets {
		source := &c.document.Budgets[i]
		b := &budget{
			id: source.ID.Value, at: source.Pos, per: cmp.Or(source.Per.Value, "principal"),
			window: source.Window.Value, matched: c.matchActions(source.Actions),
		}
		limit, err := strconv.ParseFloat(string(source.Limit.Value), 64)
		if err == nil {
			b.limit, err = amountOf(limit)
		}
		if err != nil {
			c.problemf(source.Limit.Pos, "the limit must be a number from 0 to %s: %v", formatAmount(maxAmount), err)
		}
		if source.Sum.Set() {
			if b.sum = c.amount(source.Sum); b.sum == nil {
				continue
			}
		}
		c.bundle.budgets = append(c.bundle.budgets, b)
		for _, a := range b.matched {
			a.budgets = append(a.budgets, b)
		}
	}
}

// amount compiles the expression of an amount. It returns nil after a problem.
func (c *compiler) amount(text syntax.Text) *amountExpression {
	program, err := language().Number(text.Value)
	if err != nil {
		c.expressionProblems("sum", "compile", text.Pos, err)
		return nil
	}
	return &amountExpression{program: program, text: text.Value, at: text.Pos}
}

// failed returns the reason for an amount that could not be evaluated.
func (b *budget) failed(err error) aureus.RuleMatch {
	match := conditionFailed(b.id, false)
	match.Reason = fmt.Sprintf("the sum of the budget %q could not be evaluated: %s", b.id, err)
	return match
}

// key returns whom the budget counts the request for. Names of principals are folded, so
// that another spelling of a name has no budget of its own.
func (b *budget) key(i *inquiry) string {
	switch b.per {
	case "all":
		return ""
	case "action":
		return i.action.id
	}
	return namefold.Fold(i.request.Principal.ID)
}

// reserve fills in what the request needs of the budgets of the action.
func (i *inquiry) reserve() {
	for _, b := range i.action.budgets {
		amount := int64(micro)
		if b.sum != nil {
			value, err := i.amount(b.sum)
			if err == nil {
				amount, err = amountOf(value)
			}
			if err != nil {
				i.add(b.failed(err))
				continue
			}
		}
		i.reservations = append(i.reservations, Reservation{Budget: b.id, Key: b.key(i), Window: b.window, Amount: amount, Limit: b.limit})
	}
}

// amount evaluates the amount of a budget.
func (i *inquiry) amount(sum *amountExpression) (float64, error) {
	s := i.values(sum.program.Reads(celx.VarPrincipal))
	s.Resource = i.required()
	counted := i.counts(sum.program.Metered())
	if value, ok := sum.program.ValueDirectly(i.ctx, &s.Facts, celx.Counting{Cost: counted, Budget: i.steps}); ok {
		return value, nil
	}
	if counted {
		return sum.program.ValueCounted(i.ctx, s)
	}
	return sum.program.ValueIn(i.ctx, s)
}

// budgetExceeded is the reason for a budget that has no room.
func budgetExceeded(r Reservation, e Exceeded) aureus.RuleMatch {
	reason := fmt.Sprintf("the budget %q permits %s in %s", r.Budget, formatAmount(r.Limit), formatWindow(r.Window))
	remedy := "ask for less"
	if e.RetryAfter > 0 {
		reason += fmt.Sprintf(", of which %s is used", formatAmount(e.Used))
		remedy = "try again in " + formatWindow(e.RetryAfter.Round(time.Second))
	}
	return aureus.RuleMatch{Rule: r.Budget, Effect: aureus.Deny.String(), ReasonCode: aureus.ReasonBudgetExceeded, Reason: reason, Remedy: remedy}
}
