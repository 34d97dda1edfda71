// Package panicsite describes a recovered panic without showing its value, which
// may hold a secret.
package panicsite

import (
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// Describe returns the function, file and line where a panic began, and the type of
// its value: " in pkg.Func (file.go:12) with a *pkg.Error". It shows the text of a
// value only if that is a [runtime.Error], because the Go runtime wrote that text. Call
// it in the deferred function that recovered the panic.
func Describe(value any) string {
	text := ""
	if frame, found := site(); found {
		text = fmt.Sprintf(" in %s (%s:%d)", path.Base(frame.Function), filepath.Base(frame.File), frame.Line)
	}
	if failure, ok := value.(runtime.Error); ok {
		return text + ": " + failure.Error()
	}
	return text + fmt.Sprintf(" with a %T", value)
}

// Line returns the file, with its folder, and the line where a panic began:
// "guard/decider.go:12". Call it in the deferred function that recovered the panic.
func Line() string {
	frame, found := site()
	if !found {
		return "an unknown place"
	}
	folder, file := path.Split(frame.File)
	return fmt.Sprintf("%s/%s:%d", path.Base(folder), file, frame.Line)
}

// site returns the frame that panicked: the first frame outside package runtime among
// the direct and indirect callers of runtime.gopanic.
func site() (runtime.Frame, bool) {
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers[:])])
	unwinding := false
	for {
		frame, more := frames.Next()
		if unwinding && !strings.HasPrefix(frame.Function, "runtime.") {
			return frame, true
		}
		unwinding = unwinding || frame.Function == "runtime.gopanic"
		if !more {
			return runtime.Frame{}, false
		}
	}
}
