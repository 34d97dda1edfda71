package syntax

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v4"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// depthLimit limits the nesting while the text is parsed.
type depthLimit struct{}

var errDepth = fmt.Errorf("more than %d levels of lists and mappings", MaxDepth)

// CheckDepth is called for each level of a list or mapping.
func (depthLimit) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > MaxDepth {
		return errDepth
	}
	return nil
}

// CheckAlias accepts aliases, because nothing is built from the tree, so that they expand
// to nothing. [reader.checkTree] refuses them with their positions.
func (depthLimit) CheckAlias(int, int) error { return nil }

// parseTree parses the only document of the text. The result is the value at its top.
func parseTree(text []byte) (root *yaml.Node, problem *Problem) {
	defer func() {
		// The parser panics where it finds an error of its own.
		if reason := recover(); reason != nil {
			root, problem = nil, &Problem{Pos{1, 1}, "cannot be read as YAML: " + jsonvalue.Clip(fmt.Sprint(reason), 4*maxWordShown)}
		}
	}()
	loader, err := yaml.NewLoader(bytes.NewReader(text), yaml.WithPlugin(depthLimit{}), yaml.WithStreamNodes())
	if err != nil {
		return nil, &Problem{Pos{1, 1}, "cannot be read as YAML: " + err.Error()}
	}
	for {
		var node yaml.Node
		err := loader.Load(&node)
		switch {
		case errors.Is(err, io.EOF):
			if root == nil {
				return nil, &Problem{Pos{1, 1}, `the bundle is empty: begin with "aureus: policy/1"`}
			}
			return root, nil
		case err != nil:
			return nil, syntaxProblem(err)
		}
		switch {
		case node.Kind == yaml.StreamNode:
			if node.Stream != nil && (node.Stream.Version != nil || len(node.Stream.TagDirectives) > 0) {
				return nil, &Problem{positionOf(&node), "directives such as %YAML and %TAG are not allowed: remove them"}
			}
		case root != nil:
			return nil, &Problem{positionOf(&node), "a bundle is one document: remove the second one"}
		case node.Kind == yaml.DocumentNode && len(node.Content) == 1:
			root = node.Content[0]
		}
	}
}

func syntaxProblem(err error) *Problem {
	if failure, ok := errors.AsType[*yaml.LoadError](err); ok {
		at := Pos{failure.Mark.Line, failure.Mark.Column}
		if !at.Set() {
			at = Pos{failure.ContextMark.Line, failure.ContextMark.Column}
		}
		message := "cannot be read as YAML: " + jsonvalue.Clip(failure.Message, 4*maxWordShown)
		if failure.ContextMsg != "" {
			message += " (" + jsonvalue.Clip(failure.ContextMsg, 4*maxWordShown) + ")"
		}
		return &Problem{at, message}
	}
	return &Problem{Pos{1, 1}, "cannot be read as YAML: " + jsonvalue.Clip(err.Error(), 4*maxWordShown)}
}

func positionOf(n *yaml.Node) Pos { return Pos{n.Line, n.Column} }

// checkTree reports what YAML can express and a bundle must not contain: anchors,
// aliases, tags, merge keys, and keys that are not text. ok is false if there is any.
func (r *reader) checkTree(n *yaml.Node) (ok bool) {
	ok = true
	refuse := func(n *yaml.Node, format string, args ...any) {
		ok = false
		r.problemf(positionOf(n), format, args...)
	}
	switch {
	case n.Kind == yaml.AliasNode:
		refuse(n, "the alias *%s is not allowed: write the value here", shown(n.Value))
		return false
	case n.Anchor != "":
		refuse(n, "the anchor &%s is not allowed: remove it", shown(n.Anchor))
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!":
		refuse(n, "the tag %s is not allowed: remove it, and put the value in quotes if it is text", shown(n.Tag))
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			switch {
			case child.Kind == yaml.SequenceNode || child.Kind == yaml.MappingNode:
				refuse(child, "a key must be text")
				continue
			case child.Value == "<<" && isPlain(child):
				refuse(child, `the merge key << is not allowed: write the keys here`)
				continue
			case child.Kind == yaml.ScalarNode && kindOf(child) == kindNull:
				refuse(child, "a key must not be empty or null: write a name, in quotes if need be")
				continue
			}
		}
		if !r.checkTree(child) {
			ok = false
		}
	}
	return ok
}

// isPlain reports whether a scalar is written without quotes and not as a block.
func isPlain(n *yaml.Node) bool {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Style&quoted == 0
}
