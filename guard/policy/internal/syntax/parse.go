package syntax

import (
	"cmp"
	"slices"
)

// Format is the format of the bundles that this package reads.
const Format = "policy/1"

// Parse reads a bundle. It returns all problems of the text in the order of their
// positions, at most [MaxProblems]. The document is complete if there are none. Otherwise
// it holds what could be read, and it is nil if the text is not a mapping in YAML. The
// position of a problem is inside of the text, or directly behind the last character of
// one of its lines.
//
// The text must be UTF-8 of at most [MaxBytes] bytes. It is one document in YAML 1.2,
// and so may be JSON, with these restrictions: no anchors, aliases, merge keys, tags or
// directives; each key once; booleans are true and false; numbers are those of JSON;
// null occurs in free-form values only. Dates, yes, no, on and off are text.
func Parse(text []byte) (*Document, []Problem) {
	source, problems := scan(text)
	if len(problems) > 0 {
		return nil, problems
	}
	root := jsonTree(text)
	if root == nil {
		var problem *Problem
		if root, problem = parseTree(text); problem != nil {
			return nil, []Problem{{source.clamp(problem.Pos), problem.Message}}
		}
	}
	r := &reader{source: source}
	if !r.checkTree(root) {
		return nil, r.sorted()
	}
	if kindOf(root) != kindObject {
		r.problemf(positionOf(root), "a bundle must be a mapping, not %s: begin with \"aureus: %s\"", kindNames[kindOf(root)], Format)
		return nil, r.sorted()
	}
	document := r.document(root)
	r.checkReferences(document)
	return document, r.sorted()
}

// sorted returns the problems in the order of their positions.
func (r *reader) sorted() []Problem {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(a.Line-b.Line, a.Column-b.Column)
	})
	return r.problems
}
