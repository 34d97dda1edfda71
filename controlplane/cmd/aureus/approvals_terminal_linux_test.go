package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal with a command on it.
type terminal struct {
	master *os.File
	cmd    *exec.Cmd
	output lockedBuffer
	ended  chan struct{} // closed when the output has ended
}

// onTerminal runs the command on a pseudo-terminal of that size.
func (s *seatServer) onTerminal(t *testing.T, width, height int, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	x := &terminal{master: master, ended: make(chan struct{})}
	x.resize(t, width, height)
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	var env []string
	for name, value := range s.env {
		env = append(env, name+"="+value)
	}
	x.cmd = command(t, nil, args...)
	x.cmd.Env = append(x.cmd.Env, env...)
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = slave, slave, slave
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, x.cmd.Start())
	require.NoError(t, slave.Close())
	go func() {
		defer close(x.ended)
		_, _ = io.Copy(&x.output, master) // until the command has ended
	}()
	return x
}

func (x *terminal) resize(t *testing.T, width, height int) {
	t.Helper()
	require.NoError(t, unix.IoctlSetWinsize(int(x.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(height), Col: uint16(width)}))
}

func (x *terminal) until(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(x.output.String(), text) }, time.Minute, 10*time.Millisecond, "%q is not in %q", text, lazy{x})
}

// lazy formats the output when a test has failed.
type lazy struct{ x *terminal }

func (l lazy) String() string { return l.x.output.String() }

func (x *terminal) types(t *testing.T, text string) {
	t.Helper()
	_, err := x.master.WriteString(text)
	require.NoError(t, err)
}

// end waits for the end of the command and returns the exit code and everything that it wrote.
func (x *terminal) end(t *testing.T) (code int, output string) {
	t.Helper()
	_ = x.cmd.Wait()
	<-x.ended
	return x.cmd.ProcessState.ExitCode(), x.output.String()
}

func TestApprovalsWatch_OnATerminal_UpdatesResizesAndLeavesItAsItWas(t *testing.T) {
	for _, width := range []int{80, 200} {
		t.Run(strconv.Itoa(width), func(t *testing.T) {
			s := startSeatServer(t)
			x := s.onTerminal(t, width, 24, "approvals", "watch")
			before, err := unix.IoctlGetTermios(int(x.master.Fd()), unix.TCGETS)
			require.NoError(t, err)
			x.until(t, "No request waits for a person.")
			id := s.ask(t, transferRequest)
			x.until(t, id)
			x.until(t, "1 wait for a person")
			x.until(t, "amount = 5000")
			x.resize(t, 30, 10)
			x.until(t, "more lines below")
			x.types(t, "jjj")
			x.types(t, "q")
			code, output := x.end(t)
			require.Zero(t, code, output)
			require.True(t, strings.HasSuffix(output, leaveScreen), "%q", output[max(0, len(output)-100):])
			require.NotContains(t, output, "\x1b[2J", "the screen is never cleared")
			after, err := unix.IoctlGetTermios(int(x.master.Fd()), unix.TCGETS)
			require.NoError(t, err)
			require.NotZero(t, after.Lflag&unix.ECHO)
			require.Equal(t, before.Iflag|unix.ICRNL, after.Iflag|unix.ICRNL)
			require.Zero(t, s.run(t, "approvals", "approve", id, "--yes").code, "watch has displayed it")
		})
	}
}

func TestApprovalsWatch_Terminated_LeavesTheTerminalAsItWas(t *testing.T) {
	s := startSeatServer(t)
	x := s.onTerminal(t, 80, 24, "approvals", "watch")
	x.until(t, "No request waits")
	require.NoError(t, x.cmd.Process.Signal(syscall.SIGTERM))
	code, output := x.end(t)
	require.Zero(t, code, output)
	require.True(t, strings.HasSuffix(output, leaveScreen), "%q", output)
}

func TestApprovalsApprove_OnATerminal_AsksFirst(t *testing.T) {
	s := startSeatServer(t)
	id := s.ask(t, transferRequest)
	require.Zero(t, s.run(t, "approvals", "show", id).code)
	for _, row := range []struct {
		typed string
		code  int
		says  string
	}{{"\n", exitNotConfirmed, "nothing was decided"}, {"no\n", exitNotConfirmed, "nothing was decided"}, {"yes\n", 0, "is approved."}} {
		x := s.onTerminal(t, 80, 40, "approvals", "approve", id)
		x.until(t, "Type yes to approve it: ")
		require.Contains(t, x.output.String(), "amount", "it displays the request again")
		x.types(t, row.typed)
		code, output := x.end(t)
		require.Equal(t, row.code, code, output)
		require.Contains(t, output, row.says)
		require.NotContains(t, output, "\x1b")
	}
}
