// A web server that says which version of it answers.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

const version = "one"

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "version %s, color %s\n", version, os.Getenv("COLOR"))
	})
	log.Printf("version %s listens on %s", version, port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
