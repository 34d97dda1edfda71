package schemax

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

func countValues(value any) int {
	n := 1
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			n += countValues(item)
		}
	case map[string]any:
		for _, item := range value {
			n += countValues(item)
		}
	}
	return n
}

// boundNumbers reports whether arithmetic is cheap for every number in a value. If not, it
// also returns the pointer of such a number. A text that is not a JSON number is not cheap.
func boundNumbers(value any, pointer string) (string, bool) {
	switch value := value.(type) {
	case json.Number:
		return pointer, isCheap(string(value))
	case []any:
		for i, item := range value {
			if isLeaf(item) {
				continue
			}
			if found, ok := boundNumbers(item, pointer+"/"+strconv.Itoa(i)); !ok {
				return found, false
			}
		}
	case map[string]any:
		for name, item := range value {
			if isLeaf(item) {
				continue
			}
			if found, ok := boundNumbers(item, pointer+"/"+strictjson.Token(name)); !ok {
				return found, false
			}
		}
	}
	return "", true
}

// isLeaf reports whether a value is a cheap number or contains no number, so that its
// pointer is not needed.
func isLeaf(value any) bool {
	switch value := value.(type) {
	case json.Number:
		return isCheap(string(value))
	case []any, map[string]any:
		return false
	default:
		return true
	}
}

// isCheap reports whether a number has at most MaxDigits digits and an exponent within
// MaxDigits.
func isCheap(number string) bool {
	if len(number) > MaxDigits {
		return false
	}
	mantissa, exponent, found := strings.Cut(strings.ToLower(number), "e")
	if found {
		n, err := strconv.Atoi(exponent)
		if err != nil || n > MaxDigits || n < -MaxDigits {
			return false
		}
	}
	_, err := strconv.ParseFloat(mantissa, 64)
	return mantissa != "" && (err == nil || errors.Is(err, strconv.ErrRange))
}
