package sqlite

import (
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// shared holds the columns of all kinds, in the order in which they are written: first
// those that the writer sets, then those of the item.
var shared = []string{"seq", "tenant", "received", "cost", "sec", "nsec", "body"}

// insertOf returns the statement that stores n rows of the kind.
func insertOf(kind telemetry.Kind, n int) string {
	columns := kind.Columns()
	width := len(shared) + len(columns)
	row := "(" + strings.Repeat("?,", width-1) + "?)"
	return "INSERT OR ROLLBACK INTO " + kind.String() + " (" + strings.Join(shared, ",") + "," + strings.Join(columns, ",") + ") VALUES " +
		strings.Repeat(row+",", n-1) + row
}
