package crvgate

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/farmountain/aureus-go/internal/panicsite"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// judgeWatching runs each validator between two digests of the change.
func judgeWatching[T any](ctx context.Context, judged judgement, required float64, validators []Validator[T], change *Change[T]) judgement {
	for i := range validators {
		before, err := digestOf(change)
		if err != nil {
			return judged.add(broken("a mutation could not be detected: " + err.Error()))
		}
		judged = judgeEach(ctx, judged, required, validators[i:i+1], change)
		if after, err := digestOf(change); err != nil || after != before {
			judged = judged.add(broken(fmt.Sprintf("validator %d modified the change it was given", i+1)))
		}
		if judged.stopped {
			return judged
		}
	}
	return judged
}

func digestOf[T any](change *Change[T]) (digest [sha256.Size]byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic%s", panicsite.Describe(p))
		}
	}()
	text, err := strictjson.Marshal([]any{change.Data, change.HasPrevious, change.Previous, change.Metadata})
	return sha256.Sum256(text), err
}
