package console

// lineKind says in which of two texts a line stands.
type lineKind int

const (
	lineEqual lineKind = iota
	lineRemoved
	lineAdded
)

// diffLine is a line of a comparison. Old and New are its numbers in the two texts, from
// 1; 0 where it does not stand.
type diffLine struct {
	Kind     lineKind
	Old, New int
	Text     string
	Cut      int // how many bytes of the line a page does not show
}

// Sign returns + for an added line, - for a removed one, and a space for an equal one.
func (l diffLine) Sign() string { return [...]string{" ", "-", "+"}[l.Kind] }

// Class returns the class of the line in the style sheet.
func (l diffLine) Class() string { return [...]string{"same", "removed", "added"}[l.Kind] }

// maxEdits limits how many added and removed lines are looked for. The memory of a
// comparison grows with its square: 4 MB for this number.
const maxEdits = 1000

// compare returns the lines of both texts in order, with the fewest added and removed
// lines (the algorithm of Myers). If more than maxEdits would be needed, coarse is true,
// and all lines between the common beginning and the common end count as replaced.
func compare(old, fresh []string) (lines []diffLine, coarse bool) {
	begin := 0
	for begin < len(old) && begin < len(fresh) && old[begin] == fresh[begin] {
		begin++
	}
	end := 0
	for end < len(old)-begin && end < len(fresh)-begin && old[len(old)-1-end] == fresh[len(fresh)-1-end] {
		end++
	}
	for i := range begin {
		lines = append(lines, diffLine{Kind: lineEqual, Old: i + 1, New: i + 1, Text: old[i]})
	}
	kinds, ok := edits(old[begin:len(old)-end], fresh[begin:len(fresh)-end])
	if !ok {
		kinds = kinds[:0]
		for range len(old) - begin - end {
			kinds = append(kinds, lineRemoved)
		}
		for range len(fresh) - begin - end {
			kinds = append(kinds, lineAdded)
		}
	}
	i, j := begin, begin
	for _, kind := range kinds {
		switch kind {
		case lineEqual:
			lines = append(lines, diffLine{Kind: kind, Old: i + 1, New: j + 1, Text: old[i]})
			i, j = i+1, j+1
		case lineRemoved:
			lines = append(lines, diffLine{Kind: kind, Old: i + 1, New: 0, Text: old[i]})
			i++
		case lineAdded:
			lines = append(lines, diffLine{Kind: kind, Old: 0, New: j + 1, Text: fresh[j]})
			j++
		}
	}
	for ; i < len(old); i, j = i+1, j+1 {
		lines = append(lines, diffLine{Kind: lineEqual, Old: i + 1, New: j + 1, Text: old[i]})
	}
	return lines, !ok
}

// edits returns a shortest sequence of kept, removed and added lines that turns a into b.
// ok is false if it would have more than maxEdits removed and added lines.
func edits(a, b []string) (kinds []lineKind, ok bool) {
	limit := min(len(a)+len(b), maxEdits)
	// furthest[limit+k] is how many lines of a the furthest path on the diagonal k has
	// passed, where k is the number of lines of a less those of b. steps has, for each
	// number of edits d, the part of it from -d to d as it was before the edit.
	furthest := make([]int32, 2*limit+2)
	var steps [][]int32
	for d := 0; d <= limit; d++ {
		steps = append(steps, append([]int32(nil), furthest[limit-d:limit+d+1]...))
		for k := -d; k <= d; k += 2 {
			x := 0
			if d > 0 {
				x = int(stepTo(steps[d], d, k))
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			furthest[limit+k] = int32(x)
			if x >= len(a) && x-k >= len(b) {
				return backtrack(steps, len(a), len(b)), true
			}
		}
	}
	return nil, false
}

// stepTo returns where the edit number d arrives on the diagonal k: by an added line from
// the diagonal above, or by a removed line from the one below.
func stepTo(before []int32, d, k int) int32 {
	if k == -d || k != d && before[d+k-1] < before[d+k+1] {
		return before[d+k+1]
	}
	return before[d+k-1] + 1
}

// backtrack returns the edits of the path that ends after x lines of a and y lines of b.
func backtrack(steps [][]int32, x, y int) []lineKind {
	kinds := make([]lineKind, 0, x+y)
	for d := len(steps) - 1; d > 0; d-- {
		k, before := x-y, steps[d]
		added := k == -d || k != d && before[d+k-1] < before[d+k+1]
		at := int(stepTo(before, d, k)) // after the edit, before the equal lines
		for x > at {
			kinds, x, y = append(kinds, lineEqual), x-1, y-1
		}
		if added {
			kinds, y = append(kinds, lineAdded), y-1
		} else {
			kinds, x = append(kinds, lineRemoved), x-1
		}
	}
	for ; x > 0; x-- {
		kinds = append(kinds, lineEqual)
	}
	for i, j := 0, len(kinds)-1; i < j; i, j = i+1, j-1 {
		kinds[i], kinds[j] = kinds[j], kinds[i]
	}
	return kinds
}

// hunk is a part of a comparison. Skipped is how many equal lines before it are not
// shown; the last hunk may have no lines.
type hunk struct {
	Skipped int
	Lines   []diffLine
}

// around is how many equal lines are shown before and after a difference.
const around = 3

// hunks leaves out the equal lines that are not near a difference. It returns nil if there
// is no difference.
func hunks(lines []diffLine) (list []hunk) {
	shown := make([]bool, len(lines))
	for i, l := range lines {
		if l.Kind == lineEqual {
			continue
		}
		for j := max(0, i-around); j <= min(len(lines)-1, i+around); j++ {
			shown[j] = true
		}
	}
	skipped, open := 0, false
	for i, l := range lines {
		switch {
		case !shown[i]:
			skipped, open = skipped+1, false
		case open:
			last := &list[len(list)-1]
			last.Lines = append(last.Lines, l)
		default:
			list, skipped, open = append(list, hunk{skipped, []diffLine{l}}), 0, true
		}
	}
	if len(list) > 0 && skipped > 0 {
		list = append(list, hunk{Skipped: skipped})
	}
	return list
}
