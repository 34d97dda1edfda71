package screen

import "strings"

const (
	gap       = "  " // between two columns
	minColumn = 8    // a column is not made narrower, even if the table becomes too wide
)

// Table returns the lines of a table of at most width columns; a width below 1 does not
// limit it. The result has one element for each row, with one or more lines: cells that
// are too long are wrapped inside their column. Cells are escaped as by [Line].
func Table(rows [][]string, width int) [][]string {
	escaped := make([][]string, len(rows))
	for n, row := range rows {
		for _, cell := range row {
			escaped[n] = append(escaped[n], Line(cell))
		}
	}
	widths := columnWidths(escaped, width)
	lines := make([][]string, len(rows))
	for n, row := range escaped {
		lines[n] = rowLines(row, widths)
	}
	return lines
}

// columnWidths returns the width of each column. While the table is too wide, the widest
// column is made narrower: first those that keep their words whole, then any.
func columnWidths(rows [][]string, limit int) []int {
	var widths, words, least []int
	for _, row := range rows {
		for n, cell := range row {
			if n == len(widths) {
				widths, words, least = append(widths, 0), append(words, minColumn), append(least, minColumn)
			}
			widths[n] = max(widths[n], Width(cell))
			for word := range strings.FieldsSeq(cell) {
				words[n] = max(words[n], Width(word))
			}
		}
	}
	if limit > 0 {
		narrow(widths, words, limit)
		narrow(widths, least, limit)
	}
	return widths
}

// narrow makes columns narrower, but none narrower than its least width, until the table
// has at most limit columns of the screen.
func narrow(widths, least []int, limit int) {
	excess := len(gap)*(len(widths)-1) - limit
	for _, w := range widths {
		excess += w
	}
	for ; excess > 0; excess-- {
		widest := -1
		for n, w := range widths {
			if w > least[n] && (widest < 0 || w >= widths[widest]) {
				widest = n
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

func rowLines(row []string, widths []int) []string {
	cells := make([][]string, len(row))
	height := 1
	for n, cell := range row {
		cells[n] = Wrap(cell, widths[n])
		height = max(height, len(cells[n]))
	}
	lines := make([]string, height)
	for at := range lines {
		var line strings.Builder
		for n, cell := range cells {
			text := ""
			if at < len(cell) {
				text = cell[at]
			}
			line.WriteString(text)
			if n < len(cells)-1 {
				line.WriteString(strings.Repeat(" ", max(0, widths[n]-Width(text))) + gap)
			}
		}
		lines[at] = strings.TrimRight(line.String(), " ")
	}
	return lines
}
