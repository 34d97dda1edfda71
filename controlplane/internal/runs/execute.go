package runs

import (
	"context"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// execute runs a workflow and responds when the run has ended or waits for an
// approval. Until then it sends white space to keep the connection alive. The run
// does not end with the request. A request for a run that is already under way
// waits for the same run.
func (s *Service) execute(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var body request
	if err := web.ReadJSON(r, &body); err != nil {
		return err
	}
	warnings, err := s.check(c, &body)
	if err != nil {
		return err
	}
	live, err := s.startOrJoin(r.Context(), c, body)
	if err != nil {
		return err
	}
	web.Account(r).Rest() // waiting needs no processor
	begun, err := s.waitFor(w, r, live)
	if err == nil {
		err = s.writeResult(w, r, live.run, begun, body.CorrelationID, warnings)
	}
	if err != nil && begun {
		panic(http.ErrAbortHandler) // part of a response was sent: breaking the connection is the only way to report the error
	}
	return err
}

// waitFor waits until the run is no longer under way. begun reports whether white
// space was sent, which begins the response. If the state of the run cannot be
// stored, waitFor returns that error at once, and the run continues without the
// request.
func (s *Service) waitFor(w http.ResponseWriter, r *http.Request, live *liveRun) (begun bool, err error) {
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	for {
		failing, failure := live.storeFailure()
		if failure != nil {
			return begun, failure
		}
		select {
		case <-failing:
		case <-live.done:
			return begun, live.err
		case <-r.Context().Done():
			return begun, context.Cause(r.Context())
		case <-beat.C:
			if !begun {
				w.Header().Set("Content-Type", "application/json")
			}
			begun = true
			if _, err := w.Write([]byte(" ")); err != nil {
				return begun, err
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return begun, err
			}
		}
	}
}

// writeResult sends the result of a run that is not under way. begun is the result
// of waitFor.
func (s *Service) writeResult(w http.ResponseWriter, r *http.Request, run *run, begun bool, correlationID string, warnings []violation) error {
	result, err := s.resultOf(r.Context(), run)
	if err != nil {
		return err
	}
	result.Warnings = warnings
	if correlationID != "" { // of this request, even if another one started the run
		result.CorrelationID = correlationID
	}
	text, err := strictjson.MarshalText(result)
	if err != nil {
		return err
	}
	if len(text) > web.LongBody {
		if err := web.Account(r).Charge(2 * int64(len(text))); err != nil { // for the text and the values it was made from
			s.setUnreported(r.Context(), run, true)
			return web.CapacityError(err)
		}
	}
	if run.state.ByItself {
		s.setUnreported(r.Context(), run, false)
	}
	if begun {
		_, _ = w.Write(text) // fails if the client has disconnected
		return nil
	}
	web.WriteJSONText(w, http.StatusOK, text)
	return nil
}
