package crvgate

import (
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// describePanic says where a panic began and of what kind it is. Of the value
// it gives only what the runtime itself wrote: another value may hold anything,
// a secret too, and reasons travel. It is called by the function that recovers.
func describePanic(value any) string {
	text := panicSite()
	if failure, ok := value.(runtime.Error); ok {
		return text + ": " + failure.Error()
	}
	return text + fmt.Sprintf(" with a %T", value)
}

// panicSite names the function that panicked and its line.
func panicSite() string {
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers[:])])
	unwinding := false
	for {
		frame, more := frames.Next()
		inRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if unwinding && !inRuntime {
			return fmt.Sprintf(" in %s (%s:%d)", path.Base(frame.Function), filepath.Base(frame.File), frame.Line)
		}
		unwinding = unwinding || frame.Function == "runtime.gopanic"
		if !more {
			return ""
		}
	}
}
