// Package pattern compiles RE2 regular expressions of untrusted origin and limits
// their size. A pattern of a thousand bytes can need hundreds of thousands of
// instructions, so the size is estimated before the pattern is compiled.
package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

// Pattern is a compiled regular expression and the number of its instructions.
type Pattern struct {
	*regexp.Regexp

	Size int
}

// ErrTooLarge matches the errors for a pattern above a limit.
var ErrTooLarge = errors.New("the pattern is too large")

// Compile compiles a pattern of at most maxBytes bytes that needs at most maxSize
// instructions.
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

// Check returns an error for most patterns that Compile would refuse, without
// compiling: it uses the estimated size.
func Check(text string, maxBytes, maxSize int) error {
	_, err := parse(text, maxBytes, maxSize)
	return err
}

func parse(text string, maxBytes, maxSize int) (*syntax.Regexp, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("%w: it has %d bytes, and the limit is %d", ErrTooLarge, len(text), maxBytes)
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
	return fmt.Errorf("%w: it needs more than %d instructions", ErrTooLarge, maxSize)
}

// size estimates how many instructions an expression needs. The result is at most
// limit+1.
func size(re *syntax.Regexp, limit int) int {
	n := 1
	for _, sub := range re.Sub {
		n += size(sub, limit)
		if n > limit {
			return limit + 1
		}
	}
	switch re.Op { //nolint:exhaustive // other operators need one instruction more than their operands
	case syntax.OpLiteral:
		return max(n, len(re.Rune))
	case syntax.OpCapture:
		return n + 1
	case syntax.OpRepeat:
		count := re.Max
		if count < 0 {
			count = re.Min + 1 // x{n,} compiles to n copies and a loop
		}
		n = 1 + (n-1)*count
	}
	return min(n, limit+1)
}
