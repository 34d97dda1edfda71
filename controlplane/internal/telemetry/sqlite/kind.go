package sqlite

import (
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// shared are the columns that all kinds have, in the order in which they are
// written: the writer's own, then the item's.
var shared = []string{"seq", "tenant", "received", "cost", "sec", "nsec", "body"}

// insertOf is the statement that stores n rows of the kind, in the table of its name.
func insertOf(kind telemetry.Kind, n int) string {
	columns := kind.Columns()
	width := len(shared) + len(columns)
	row := "(" + strings.Repeat("?,", width-1) + "?)"
	return "INSERT OR ROLLBACK INTO " + kind.String() + " (" + strings.Join(shared, ",") + "," + strings.Join(columns, ",") + ") VALUES " +
		strings.Repeat(row+",", n-1) + row
}
