package crvgate

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/farmountain/aureus-go/internal/panicsite"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// judgeDetectingMutation compares the digests of the change before and after each
// validator.
func judgeDetectingMutation[T any](ctx context.Context, judged judgement, required float64, validators []Validator[T], change *Change[T]) judgement {
	for i := range validators {
		before, err := digestOf(change)
		if err != nil {
			return judged.add(toolError("the change could not be checked for mutation: " + err.Error()))
		}
		judged = judgeEach(ctx, judged, required, validators[i:i+1], change)
		if after, err := digestOf(change); err != nil || after != before {
			judged = judged.add(toolError(fmt.Sprintf("validator %d modified the change it was given", i+1)))
		}
		if judged.stopped {
			return judged
		}
	}
	return judged
}

// digestOf returns a digest of the JSON form of the change.
func digestOf[T any](change *Change[T]) (digest [sha256.Size]byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic%s", panicsite.Describe(p))
		}
	}()
	text, err := strictjson.Marshal([]any{change.Data, change.HasPrevious, change.Previous, change.Metadata})
	return sha256.Sum256(text), err
}
