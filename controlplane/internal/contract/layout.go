package contract

import (
	"bytes"
	"encoding/json"
	"strings"
)

// object is a JSON object with its members in a fixed order.
type object []member

type member struct {
	name  string
	value any // an object, a list, or a value for encoding/json
}

type list []any

// maxLine is the longest line, in bytes, that layout writes for an object or a list that
// is on one line.
const maxLine = 160

// layout returns the JSON text of the value. Short objects and lists are on one line, so
// that a change of the document changes few lines.
func layout(value any) ([]byte, error) {
	var b bytes.Buffer
	if err := write(&b, value, "", true); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// write appends the value. indent is the indentation of the line on which the value
// begins. If broken is false, the value is on one line.
func write(b *bytes.Buffer, value any, indent string, broken bool) error {
	open, closing := "{", "}"
	var items int
	var item func(i int) (name string, value any)
	switch value := value.(type) {
	case object:
		items, item = len(value), func(i int) (string, any) { return value[i].name, value[i].value }
	case list:
		open, closing = "[", "]"
		items, item = len(value), func(i int) (string, any) { return "", value[i] }
	default:
		return scalar(b, value)
	}
	separator, inside := ", ", ""
	if broken {
		var line bytes.Buffer
		if err := write(&line, value, "", false); err != nil {
			return err
		}
		if indent != "" && len(indent)+line.Len() <= maxLine {
			b.Write(line.Bytes())
			return nil
		}
		inside = indent + "  "
		separator = ",\n" + inside
		open, closing = open+"\n"+inside, "\n"+indent+closing
	}
	b.WriteString(open)
	for i := range items {
		name, value := item(i)
		if i > 0 {
			b.WriteString(separator)
		}
		if strings.HasPrefix(open, "{") {
			if err := scalar(b, name); err != nil {
				return err
			}
			b.WriteString(": ")
		}
		if err := write(b, value, inside, broken); err != nil {
			return err
		}
	}
	b.WriteString(closing)
	return nil
}

func scalar(b *bytes.Buffer, value any) error {
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // removes the line feed that the encoder writes after each value
	return nil
}
