// Gate-function validates a change before it is made. The wrapped function is called
// only if every validator passes.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
)

type price struct {
	Article string
	Cents   int
}

func positive(_ context.Context, change crvgate.Change[price]) aureus.ValidationResult {
	if change.Data.Cents <= 0 {
		return crvgate.Fail(aureus.OutOfScope, "a price must be positive")
	}
	return crvgate.Pass()
}

func main() {
	prices := map[string]int{}
	set := crvgate.Wrap(crvgate.New("prices", positive), func(_ context.Context, p price) error {
		prices[p.Article] = p.Cents
		return nil
	})

	for _, p := range []price{{"tea", 450}, {"tea", -1}} {
		err := set(context.Background(), p)
		var blocked *crvgate.Blocked
		switch {
		case errors.As(err, &blocked):
			fmt.Println("blocked:", blocked.Result.FailureCode, "-", blocked.Result.Remediation)
		case err != nil:
			panic(err)
		default:
			fmt.Println("set to", prices[p.Article])
		}
	}
	fmt.Println("still", prices["tea"])
}
