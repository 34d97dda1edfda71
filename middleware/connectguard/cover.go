package connectguard

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
	"github.com/farmountain/aureus-go/middleware/internal/coverage"
)

// MustCover panics if there is a procedure that [Uncovered] returns. The text names each. Call
// it when the program starts:
//
//	path, handler := ledgerv1connect.NewLedgerHandler(ledger, connect.WithInterceptors(protect))
//	mux.Handle(path, handler)
//	connectguard.MustCover([]string{path}, routes)
func MustCover(names []string, routes interface{ Routes() []guard.Route }) {
	coverage.Must("connectguard: MustCover", Uncovered(names, routes))
}

// Uncovered returns the procedures, such as "/package.Service/Method", that the table neither
// binds to an action nor declares open, sorted. The guard refuses these. A name is that of a
// procedure, or the path of a service, "/package.Service/", as generated code returns it beside
// the handler: then it stands for all methods of the service. Connect does not tell which
// handlers there are, and which have the interceptor, so list the paths of all.
//
// Uncovered panics if the table is nil, and for a service that the program has not registered.
func Uncovered(names []string, routes interface{ Routes() []guard.Route }) []string {
	var procedures []string
	for _, name := range names {
		service, ok := strings.CutSuffix(name, "/")
		if !ok {
			procedures = append(procedures, name)
			continue
		}
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.TrimPrefix(service, "/")))
		descriptor, isService := found.(protoreflect.ServiceDescriptor)
		if err != nil || !isService {
			panic(fmt.Sprintf("connectguard: Uncovered: %s is no service that the program has registered; list its procedures", name))
		}
		for i := range descriptor.Methods().Len() {
			procedures = append(procedures, service+"/"+string(descriptor.Methods().Get(i).Name()))
		}
	}
	return middleware.UncoveredPatterns(procedures, routes)
}
