package telemetry

import (
	"errors"
	"fmt"
)

// The errors of the store, for errors.Is.
var (
	ErrBusy         = errors.New("telemetry: too much is waiting to be written")               // try again in a second
	ErrClosed       = errors.New("telemetry: the store is closed")                             //
	ErrLocked       = errors.New("telemetry: another process, or this one, has the file open") //
	ErrNewer        = errors.New("telemetry: the file was made by a newer version")            // the file is not changed
	ErrUnavailable  = errors.New("telemetry: the file cannot be read or written")              // nothing was stored; ErrDiskFull and ErrReadOnly also match it
	ErrDiskFull     = errors.New("telemetry: the disk is full")                                //
	ErrReadOnly     = errors.New("telemetry: the file is read-only")                           //
	ErrCursor       = errors.New("telemetry: the cursor is not one of this store")             //
	ErrTooManyTypes = fmt.Errorf("telemetry: more than %d task types in one summary", MaxTaskTypes)
)
