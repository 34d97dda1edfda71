package policy

import (
	"context"

	"github.com/farmountain/aureus-go/aureus"
)

// MaxSteps is the bound of what the conditions of one decision cost together.
const MaxSteps = maxSteps

// Effort decides by a bundle. limited says whether conditions counted their cost, and used
// what they have used of MaxSteps.
func Effort(b *Bundle, request aureus.Request) (d aureus.Decision, limited bool, used int) {
	i := newInquiry(context.Background(), b, &request, noTime)
	defer i.release()
	i.run(nil)
	i.decide(&d)
	return d, i.limited, maxSteps - i.steps.Left(maxSteps)
}
