package celx

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// comparison is an operator that compares two values.
type comparison uint8

const (
	equals comparison = iota
	notEquals
	less
	lessEquals
	greater
	greaterEquals
)

// isOrder reports whether the operator needs values with an order.
func (c comparison) isOrder() bool { return c >= less }

// accepts reports whether the operator is true for an order: below zero if the left
// operand is less, zero if both are equal.
func (c comparison) accepts(order int) bool {
	switch c {
	case equals:
		return order == 0
	case notEquals:
		return order != 0
	case less:
		return order < 0
	case lessEquals:
		return order <= 0
	case greater:
		return order > 0
	case greaterEquals:
		return order >= 0
	}
	return false
}

// pricing says how the cost of a call depends on its operands.
type pricing uint8

const (
	priceFixed    pricing = iota // 1
	priceDispatch                // the overload is found when the call is evaluated: 1, and the lengths of all texts
	priceTexts                   // an order of two texts: the length of the shorter one
)

func (n *node) compare(r run) answer {
	left := n.parts[0].eval(r)
	if left.kind == unknownKind {
		return unsure
	}
	right := n.parts[1].eval(r)
	if r.counting {
		r.cost += n.comparisonCost(left, right)
	}
	return n.comparison.compare(left, right)
}

// compare compares two values. It does not compare lists and objects with each other.
func (c comparison) compare(left, right value) answer {
	switch {
	case left.kind == numberKind && right.kind == numberKind:
		return answerOf(c.accepts(cmp.Compare(left.number, right.number))) // NaN is no numberKind
	case left.kind == textKind && right.kind == textKind:
		if !c.isOrder() {
			return answerOf((left.text == right.text) == (c == equals))
		}
		return answerOf(c.accepts(cmp.Compare(left.text, right.text)))
	case c.isOrder():
		return unsure
	case left.kind.isScalar() && right.kind.isScalar():
		return answerOf((left.kind == right.kind && left.number == right.number) == (c == equals))
	case left.kind == unknownKind, right.kind == unknownKind:
		return unsure
	case left.kind.isScalar() && left.kind != textKind, right.kind.isScalar() && right.kind != textKind:
		return answerOf(c == notEquals) // one of them is a list or an object
	default:
		return unsure
	}
}

// comparisonCost returns the cost of a comparison that is not unsure.
func (n *node) comparisonCost(left, right value) int {
	switch {
	case !n.comparison.isOrder():
		return 1 + min(left.weight(), right.weight())
	case n.pricing == priceDispatch:
		return 1 + len(left.text)/charsPerUnit + len(right.text)/charsPerUnit
	case n.pricing == priceTexts:
		return readingCost(min(utf8.RuneCountInString(left.text), utf8.RuneCountInString(right.text)))
	}
	return 1
}

// readingCost returns the cost of a call of CEL's that reads so many characters: a unit for
// each ten, rounded up, and at least one.
func readingCost(characters int) int { return max(1, (characters+charsPerUnit-1)/charsPerUnit) }

// weight returns the weight of a value without others inside, and 1 for a list or an
// object; see [meter.weight].
func (v value) weight() int { return 1 + len(v.text)/charsPerUnit }

// in evaluates the operator in for a list or an object of the request.
func (n *node) in(r run) answer {
	item, container := n.parts[0].eval(r), n.parts[1].eval(r)
	if !item.kind.isScalar() {
		return unsure
	}
	switch container.kind {
	case objectKind:
		object, _ := container.native.(map[string]any)
		if item.kind != textKind {
			return unsure
		}
		r.cost += 1 + item.weight()
		_, found := object[item.text]
		return answerOf(found)
	case rolesKind:
		roles := r.facts.Principal.Roles
		if r.counting {
			r.cost += 1 + min(weightOfTexts(roles), item.weight()*len(roles))
		}
		return answerOf(item.kind == textKind && slices.Contains(roles, item.text))
	case listKind:
		list, _ := container.native.([]any)
		if r.counting {
			left := r.limit
			subtractJSONWeight(list, &left)
			if left <= 0 {
				return unsure
			}
			r.cost += 1 + min(1+r.limit-left, item.weight()*len(list))
		}
		return containsItem(list, item)
	default:
		return unsure
	}
}

// containsItem looks for a value without others inside. An item that is not known may be
// an error, unless another one is equal.
func containsItem(list []any, item value) answer {
	result := no
	for _, native := range list {
		next := valueOf(native)
		switch {
		case next.kind == unknownKind:
			result = unsure
		case next.kind == item.kind && next.number == item.number && next.text == item.text:
			return yes
		}
	}
	return result
}

func weightOfTexts(texts []string) int {
	weight := 1
	for _, text := range texts {
		weight += 1 + len(text)/charsPerUnit
	}
	return weight
}

// subtractJSONWeight is subtractWeight for free-form JSON. For a value that has others
// inside, it subtracts more than is left.
func subtractJSONWeight(native any, left *int) {
	*left--
	if *left <= 0 {
		return
	}
	switch native := native.(type) {
	case []any:
		for i := 0; i < len(native) && *left > 0; i++ {
			subtractJSONWeight(native[i], left)
		}
	case map[string]any:
		for _, item := range native {
			if *left <= 0 {
				return
			}
			subtractJSONWeight(item, left)
		}
	default:
		if v := valueOf(native); v.kind == unknownKind {
			*left = 0
		} else {
			*left -= len(v.text) / charsPerUnit
		}
	}
}
