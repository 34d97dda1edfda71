package strictjson

import (
	"github.com/go-json-experiment/json/jsontext"
)

// Member is one member of an object: its name and the JSON text of its value.
type Member struct {
	Name  string
	Value []byte
}

// Members returns the members of data in the order of the text. data must be one JSON
// object. The errors are those of [Unmarshal].
func Members(data []byte) ([]Member, error) {
	tree, err := Parse(data)
	if err != nil {
		return nil, err
	}
	if _, ok := tree.(map[string]any); !ok {
		return nil, &ShapeError{Problems: []Problem{{Message: "must be an object, not " + kindOf(tree)}}}
	}
	dec := jsontext.NewDecoder(newBuffer(data))
	if _, err := dec.ReadToken(); err != nil {
		return nil, syntaxError(data, dec, err)
	}
	members := []Member{}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, syntaxError(data, dec, err)
		}
		text := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return nil, syntaxError(data, dec, err)
		}
		members = append(members, Member{Name: text, Value: value.Clone()})
	}
	return members, nil
}
