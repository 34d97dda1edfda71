package console

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// sides returns the two texts of a comparison, and how many lines differ.
func sides(t *testing.T, lines []diffLine) (old, fresh []string, edits int) {
	t.Helper()
	for _, l := range lines {
		if l.Kind != lineAdded {
			old = append(old, l.Text)
			require.Equal(t, len(old), l.Old)
		}
		if l.Kind != lineRemoved {
			fresh = append(fresh, l.Text)
			require.Equal(t, len(fresh), l.New)
		}
		if l.Kind != lineEqual {
			edits++
		}
	}
	return old, fresh, edits
}

// fewest returns the smallest number of added and removed lines, by the longest common
// subsequence.
func fewest(a, b []string) int {
	row := make([]int, len(b)+1)
	for i := range a {
		diagonal := 0
		for j := range b {
			above := row[j+1]
			if a[i] == b[j] {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return len(a) + len(b) - 2*row[len(b)]
}

func TestCompare_RandomTexts_HasBothTextsAndTheFewestEdits(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	text := func() (lines []string) {
		for range random.IntN(12) {
			lines = append(lines, string(rune('a'+random.IntN(4))))
		}
		return lines
	}
	for range 20_000 {
		a, b := text(), text()
		lines, coarse := compare(a, b)
		old, fresh, edits := sides(t, lines)
		require.Equal(t, a, old)
		require.Equal(t, b, fresh)
		require.Equal(t, fewest(a, b), edits, "%v and %v", a, b)
		require.False(t, coarse)
	}
}

func TestCompare_TextsThatDifferTooMuch_AreReplacedBetweenTheirEqualEnds(t *testing.T) {
	t.Parallel()
	var a, b []string
	for i := range maxEdits {
		a, b = append(a, "old "+strconv.Itoa(i), "same"), append(b, "new "+strconv.Itoa(i), "same")
	}
	lines, coarse := compare(slices.Concat([]string{"first"}, a, []string{"last"}), slices.Concat([]string{"first"}, b, []string{"last"}))
	require.True(t, coarse)
	old, fresh, edits := sides(t, lines)
	require.Len(t, old, len(a)+2)
	require.Len(t, fresh, len(b)+2)
	require.Equal(t, len(a)+len(b)-2, edits, "the last same line is part of the equal end")
	require.Equal(t, lineEqual, lines[0].Kind)
	require.Equal(t, lineEqual, lines[len(lines)-1].Kind)

	_, coarse = compare(a[:maxEdits], b[:maxEdits]) // as many edits as are looked for
	require.False(t, coarse)
}

func TestHunks_EqualLinesFarFromADifference_AreLeftOut(t *testing.T) {
	t.Parallel()
	var from []string
	for i := range 31 {
		from = append(from, strconv.Itoa(i))
	}
	to := slices.Clone(from)
	to[10], to[15], to[25] = "a", "b", "c"
	lines, _ := compare(from, to)
	list := hunks(lines)
	require.Len(t, list, 3)
	require.Equal(t, 10-around, list[0].Skipped)
	require.Len(t, list[0].Lines, 2*around+4+4, "two differences that are near each other share a hunk")
	require.Equal(t, 25-15-1-2*around, list[1].Skipped)
	require.Empty(t, list[2].Lines)
	shown := 0
	for _, h := range list {
		shown += h.Skipped + len(h.Lines)
	}
	require.Equal(t, len(lines), shown)
	same, _ := compare(from, from)
	require.Nil(t, hunks(same))
}
