package console

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

const eventsPath = Root + "events"

const (
	// eventsInterval is how often the changes and the session of a stream are looked at,
	// and so the shortest time between two events.
	eventsInterval = time.Second
	// quietEvents is how many intervals may pass before something is sent, so that a
	// connection that is lost is noticed.
	quietEvents = 10
	// eventsTimeout limits how long the browser may take to read an event.
	eventsTimeout = 30 * time.Second
)

// Changes says what has changed in a tenant since it was asked last. It is used by one
// goroutine, which calls Stop at the end.
type Changes interface {
	// Next returns the topics that have changed. The first answer that is not empty is
	// "start": what happened before it is not reported.
	Next() (topics []string)
	// Ended returns a channel that is closed when the server ends all streams of events, so
	// that it can stop.
	Ended() <-chan struct{}
	Stop()
}

// automaticHeader is set by the script when a page asks for itself again.
const automaticHeader = "Aureus-Automatic"

// isAutomatic reports whether a page made the request, without its operator.
func isAutomatic(r *http.Request) bool {
	return r.URL.Path == eventsPath || r.Header.Get(automaticHeader) != ""
}

// events answers GET events with server-sent events (WHATWG HTML, section 9.2). Each
// event names the topics that have changed, and nothing of what they contain; the script
// then asks for the page again. The stream ends with the session, and when the server ends
// its streams; no other begins then.
func (s *Service) events(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	if err := web.SameOrigin(r); err != nil {
		return err
	}
	over, leave, ok := s.sessions.follow(r, s.Now())
	if !ok {
		return web.Problem(http.StatusTooManyRequests, wire.CodeExhausted, "this session follows the changes in too many windows",
			web.WithRemediation("Close a window, or load the page again to see changes."), web.WithRetryAfter(eventsInterval))
	}
	defer leave()
	release, err := web.Account(r).Follow()
	if err != nil {
		return web.CapacityError(err)
	}
	defer release()
	changes := s.Watch(c.Tenant)
	defer changes.Stop()
	select {
	case <-changes.Ended():
		return web.Problem(http.StatusServiceUnavailable, wire.CodeShuttingDown, "the control plane is shutting down", web.WithRetryAfter(eventsInterval))
	default:
	}

	w.Header().Set("Content-Type", "text/event-stream")
	if sendEvent(w, ": aureus\n\n") != nil {
		return nil // the browser has disconnected
	}
	tick := time.NewTicker(eventsInterval)
	defer tick.Stop()
	for quiet := 0; ; quiet++ {
		select {
		case <-r.Context().Done():
			return nil
		case <-changes.Ended():
			return nil // the browser connects again
		case <-over:
		case <-tick.C:
		}
		switch may, err := s.mayFollow(r, c); {
		case err != nil:
			return nil // the stream has begun; the browser connects again
		case !may:
			_ = sendEvent(w, "event: end\ndata: end\n\n") // the stream ends in any case
			return nil
		}
		text := ""
		if topics := changes.Next(); len(topics) > 0 {
			text = "event: change\ndata: " + strings.Join(topics, " ") + "\n\n"
		} else if quiet >= quietEvents {
			text = ":\n\n"
		}
		if text == "" {
			continue
		}
		quiet = 0
		if sendEvent(w, text) != nil {
			return nil // the browser has disconnected
		}
	}
}

// mayFollow reports whether the request still has its session, for the same tenant and
// with a role that may see the pages.
func (s *Service) mayFollow(r *http.Request, began web.Caller) (bool, error) {
	c, err := s.callerOf(r)
	if e, ok := errors.AsType[*web.Error](err); ok && e.Status() == http.StatusUnauthorized {
		return false, nil
	}
	return c.KeyID == began.KeyID && c.Tenant == began.Tenant && c.Role.AtLeast(web.Operator), err
}

func sendEvent(w http.ResponseWriter, text string) error {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(eventsTimeout)) // some writers have no deadlines
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return control.Flush()
}
