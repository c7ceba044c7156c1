// A page that fails says so, instead of going white. After an update of the service the files of an open page may be
// gone; loading it again helps.
import { Component, type ReactNode } from 'react'

export class Broken extends Component<{ children: ReactNode }, { error: Error | undefined }> {
  override state = { error: undefined as Error | undefined }

  static getDerivedStateFromError(error: Error) {
    return { error }
  }

  override render() {
    if (!this.state.error) return this.props.children
    return (
      <div className="empty" role="alert">
        <h2>This page has failed</h2>
        <p>{this.state.error.message}</p>
        <button type="button" className="primary" onClick={() => location.reload()}>
          Load it again
        </button>
      </div>
    )
  }
}
