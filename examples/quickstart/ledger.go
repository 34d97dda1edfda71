package main

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/middleware"
)

// Transfer is the state change that agents ask the ledger for.
type Transfer struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Amount int64  `json:"amount"` // euros
}

// Ledger holds the accounts of the service, in memory.
type Ledger struct {
	mu       sync.Mutex
	accounts map[string]int64
	apply    func(context.Context, Transfer) error
}

// NewLedger returns a ledger with a gate before the function that moves money.
func NewLedger(accounts map[string]int64, observe func(context.Context, crvgate.Report)) *Ledger {
	l := &Ledger{accounts: accounts}
	l.apply = crvgate.Wrap(crvgate.New("ledger", positiveAmount, l.noOverdraft).Observe(observe), l.move)
	return l
}

// Transfer moves the money if the gate admits the transfer. It holds the lock during
// both, so that the balance cannot change in between.
func (l *Ledger) Transfer(ctx context.Context, t Transfer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.apply(ctx, t)
}

// Balance returns the balance of the account.
func (l *Ledger) Balance(account string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accounts[account]
}

// move does not check the balance: the gate does.
func (l *Ledger) move(_ context.Context, t Transfer) error {
	l.accounts[t.From] -= t.Amount
	l.accounts[t.To] += t.Amount
	return nil
}

func positiveAmount(_ context.Context, change crvgate.Change[Transfer]) aureus.ValidationResult {
	if change.Data.Amount <= 0 {
		return crvgate.Fail(aureus.PolicyViolation, "the amount must be positive")
	}
	return crvgate.Pass()
}

func (l *Ledger) noOverdraft(_ context.Context, change crvgate.Change[Transfer]) aureus.ValidationResult {
	if change.Data.Amount > l.accounts[change.Data.From] {
		return crvgate.Fail(aureus.OutOfScope, "the account does not hold that much")
	}
	return crvgate.Pass()
}

// Routes serves the ledger over HTTP.
func (l *Ledger) Routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts/{id}", func(w http.ResponseWriter, r *http.Request) {
		respond(w, map[string]any{"account": r.PathValue("id"), "balance": l.Balance(r.PathValue("id"))})
	})
	mux.HandleFunc("POST /transfers", func(w http.ResponseWriter, r *http.Request) {
		transfer, err := readTransfer(r)
		if err == nil {
			err = l.Transfer(r.Context(), transfer)
		}
		if err != nil {
			middleware.WriteError(w, r, err)
			return
		}
		respond(w, map[string]any{"transferred": transfer.Amount, "left": l.Balance(transfer.From)})
	})
	return mux
}

func readTransfer(r *http.Request) (Transfer, error) {
	var transfer Transfer
	if err := json.NewDecoder(r.Body).Decode(&transfer); err != nil {
		return transfer, &middleware.Invalid{Reason: "the body must be a transfer such as {\"from\":\"acme\",\"to\":\"zeta\",\"amount\":20}"}
	}
	return transfer, nil
}

func respond(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		panic(http.ErrAbortHandler) // the caller has disconnected
	}
}
