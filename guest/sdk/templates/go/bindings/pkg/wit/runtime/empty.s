// Go wants this file where a function has no body: an import has none.
