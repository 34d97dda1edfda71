package policy

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/nametext"
)

// readArguments reads the arguments that the required resources are made of. If one is
// missing or cannot be part of a resource, the request is not valid.
func (i *inquiry) readArguments() {
	a := i.action
	if len(a.arguments) == 0 {
		return
	}
	object, isObject := i.request.Arguments.(map[string]any)
	if !isObject {
		object = freeFormObject(i.request.Arguments)
	}
	valid := true
	for _, name := range a.arguments {
		if _, problem := argumentText(object, name); problem != "" {
			i.addDenial(aureus.ReasonInvalidRequest, ruleRequest, errArgument(name, problem))
			valid = false
		}
	}
	if !valid {
		return
	}
	i.arguments = make([][]string, len(a.requires))
	for n := range a.requires {
		names := a.requires[n].arguments
		if len(names) == 0 {
			continue
		}
		i.arguments[n] = make([]string, len(names))
		for k, name := range names {
			i.arguments[n][k], _ = argumentText(object, name)
		}
	}
}

// argumentText returns an argument as a segment of a resource, or what is wrong with it.
func argumentText(arguments map[string]any, name string) (text, problem string) {
	value, found := arguments[name]
	if !found {
		return "", "is required"
	}
	switch value := value.(type) {
	case string:
		text = value
	case bool:
		return strconv.FormatBool(value), ""
	case nil, map[string]any, []any:
		return "", "must be a text, a number or true or false"
	default:
		number, ok := decimalText(value)
		if !ok {
			return "", "must be a text, a number of at most 40 digits, or true or false"
		}
		return number, ""
	}
	switch {
	case text == "":
		return "", "must not be empty"
	case strings.Contains(text, "/"):
		return "", "must not contain a slash"
	case nametext.Label(text) != "":
		return "", nametext.Label(text)
	}
	return text, ""
}

// maxDigits is the maximum number of digits of a number in a resource.
const maxDigits = 40

// decimalText returns a number in plain decimal digits, the same for every spelling of
// it: 7 for 7.0 and 70e-1.
func decimalText(value any) (string, bool) {
	number, isNumber := value.(json.Number)
	if !isNumber {
		free, err := jsonvalue.FreeForm(value)
		if number, isNumber = free.(json.Number); err != nil || !isNumber {
			return "", false
		}
	}
	canonical, err := jsonvalue.AppendCanonical(make([]byte, 0, maxDigits), string(number))
	if err != nil {
		return "", false
	}
	digits, exponentText, _ := strings.Cut(string(canonical), "e")
	exponent, _ := strconv.Atoi(exponentText)
	sign := ""
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		sign, digits = "-", rest
	}
	switch {
	case len(digits) > maxDigits || exponent > maxDigits || exponent < -maxDigits:
		return "", false
	case exponent >= 0:
		digits += strings.Repeat("0", exponent)
	case -exponent < len(digits):
		digits = digits[:len(digits)+exponent] + "." + digits[len(digits)+exponent:]
	default:
		digits = "0." + strings.Repeat("0", -exponent-len(digits)) + digits
	}
	return sign + digits, len(digits) <= maxDigits+len("0.")
}

// required returns the variables under requires with their values.
func (i *inquiry) required() celx.Resource {
	if i.arguments == nil {
		return celx.Resource{}
	}
	var all celx.Resource
	for n := range i.action.requires {
		all.Names = append(all.Names, i.action.requires[n].arguments...)
		all.Values = append(all.Values, i.arguments[n]...)
	}
	return all
}
