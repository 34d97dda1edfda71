package syntax

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v4"
)

// jsonTree returns the tree of a text that is one JSON object, and nil for any other
// text. A parser of YAML does not read all of JSON: it knows no surrogate pairs, and
// bounds the length of keys.
func jsonTree(text []byte) *yaml.Node {
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil
	}
	b := treeBuilder{
		text: text, line: 1, column: 1,
		decoder: jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true)),
	}
	root := b.node()
	if root == nil || len(bytes.TrimLeft(text[b.decoder.InputOffset():], " \t\r\n")) > 0 {
		return nil
	}
	return root
}

// treeBuilder makes nodes of the tokens of a JSON text.
type treeBuilder struct {
	decoder      *jsontext.Decoder
	text         []byte
	offset       int // of the place that line and column name
	line, column int
}

// node reads one value. It returns nil after an error, and for a value that is nested too
// deep.
func (b *treeBuilder) node() *yaml.Node {
	kind := b.decoder.PeekKind()
	before := int(b.decoder.InputOffset())
	token, err := b.decoder.ReadToken()
	if err != nil {
		return nil
	}
	n := &yaml.Node{Kind: yaml.ScalarNode}
	n.Line, n.Column = b.advance(before)
	switch kind {
	case '{', '[':
		n.Kind, n.Style = yaml.MappingNode, yaml.FlowStyle
		end := jsontext.Kind('}')
		if kind == '[' {
			n.Kind, end = yaml.SequenceNode, ']'
		}
		if b.decoder.StackDepth() > MaxDepth {
			return nil
		}
		for b.decoder.PeekKind() != end {
			child := b.node()
			if child == nil {
				return nil
			}
			n.Content = append(n.Content, child)
		}
		if _, err := b.decoder.ReadToken(); err != nil {
			return nil
		}
	case '"':
		n.Value, n.Style = token.String(), yaml.DoubleQuotedStyle
	default:
		n.Value = token.String()
	}
	return n
}

// advance moves to the first character of the token that begins at or behind the offset,
// and returns its position. A token follows white space, commas and colons.
func (b *treeBuilder) advance(offset int) (line, column int) {
	for offset < len(b.text) && strings.IndexByte(" \t\r\n,:", b.text[offset]) >= 0 {
		offset++
	}
	for b.offset < offset {
		switch c := b.text[b.offset]; {
		case c == '\n' || c == '\r':
			if c == '\r' && b.offset+1 < len(b.text) && b.text[b.offset+1] == '\n' {
				b.offset++
			}
			b.line, b.column = b.line+1, 0
		case !utf8.RuneStart(c):
			b.column--
		}
		b.offset++
		b.column++
	}
	return b.line, b.column
}
