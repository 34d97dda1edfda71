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
	i.complete = true
	for _, name := range a.arguments {
		text, problem := argumentText(object, name)
		if problem != "" {
			i.addDenial(aureus.ReasonInvalidRequest, ruleRequest, argumentReason(name, problem))
			i.complete = false
		}
		i.arguments = append(i.arguments, text)
	}
}

// argumentText returns an argument as a segment of a resource, or what is wrong with it.
func argumentText(arguments map[string]any, name string) (text, problem string) {
	value, found := arguments[name]
	if !found {
		return "", "is required"
	}
	free, ok := scalar(value)
	if !ok { // a type of the program
		var err error
		if free, err = jsonvalue.Converted(value); err != nil {
			return "", "has no JSON form"
		}
	}
	switch value := free.(type) {
	case string:
		text = value
	case bool:
		return strconv.FormatBool(value), ""
	case json.Number:
		if text, ok = decimalText(value); !ok {
			return "", "must have at most 40 digits"
		}
		return text, ""
	default:
		return "", "must be a text, a number, true or false"
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
func decimalText(number json.Number) (string, bool) {
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
	if !i.complete {
		return celx.Resource{}
	}
	return celx.Resource{Names: i.action.arguments, Values: i.arguments}
}

// validArguments returns the texts of the arguments; nil if one is not valid.
func (i *inquiry) validArguments() []string {
	if !i.complete {
		return nil
	}
	return i.arguments
}
