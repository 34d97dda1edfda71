// Package pattern compiles regular expressions of RE2 that come from outside, in
// a bounded size. A text of a thousand bytes can ask for a program of hundreds of
// thousands of instructions: its size is estimated before it is made.
package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

// Pattern is a compiled regular expression, and how many instructions it takes.
type Pattern struct {
	*regexp.Regexp

	Size int
}

// ErrTooLarge is what errors of size match.
var ErrTooLarge = errors.New("the pattern is too large")

// Compile compiles a text of at most maxBytes to at most maxSize instructions.
func Compile(text string, maxBytes, maxSize int) (Pattern, error) {
	parsed, err := parse(text, maxBytes, maxSize)
	if err != nil {
		return Pattern{}, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return Pattern{}, err
	}
	if len(program.Inst) > maxSize {
		return Pattern{}, tooLarge(maxSize)
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return Pattern{}, err
	}
	return Pattern{compiled, len(program.Inst)}, nil
}

// Check reports what Compile would refuse, but does not compile.
func Check(text string, maxBytes, maxSize int) error {
	_, err := parse(text, maxBytes, maxSize)
	return err
}

func parse(text string, maxBytes, maxSize int) (*syntax.Regexp, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("%w: it has %d bytes, and %d are the limit", ErrTooLarge, len(text), maxBytes)
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	if size(parsed, maxSize) > maxSize {
		return nil, tooLarge(maxSize)
	}
	return parsed, nil
}

func tooLarge(maxSize int) error {
	return fmt.Errorf("%w: it takes more than %d instructions", ErrTooLarge, maxSize)
}

// size is about how many instructions an expression takes, and more than limit
// where it takes more.
func size(re *syntax.Regexp, limit int) int {
	n := 1
	for _, sub := range re.Sub {
		n += size(sub, limit)
		if n > limit {
			return limit + 1
		}
	}
	switch re.Op { //nolint:exhaustive // the others take no more than their parts and one
	case syntax.OpLiteral:
		return max(n, len(re.Rune))
	case syntax.OpCapture:
		return n + 1
	case syntax.OpRepeat:
		times := re.Max
		if times < 0 {
			times = re.Min + 1 // at least so often: the last one is repeated
		}
		n = 1 + (n-1)*times
	}
	return min(n, limit+1)
}
