// What the credentials say besides the secret: the Cloud project that their requests are counted for.

/** The file's texts by key; none where it cannot be read (token.ts says so when it asks for a token). */
function readKeys (credentials: string): Record<string, string> {
  try {
    const parsed: unknown = JSON.parse(credentials)
    if (typeof parsed !== 'object' || parsed === null) return {}
    return Object.fromEntries(Object.entries(parsed).flatMap(([key, value]) =>
      typeof value === 'string' && value !== '' ? [[key, value]] : []))
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

/** The project that a user's requests are to be counted for (`x-goog-user-project`, google.md §2.2). */
export function quotaProjectOf (credentials: string): string | undefined {
  const { quota_project_id: project } = readKeys(credentials)
  return project !== undefined && /^[a-z0-9:.-]{1,64}$/.test(project) ? project : undefined
}

/**
 * What the quota belongs to: the project that the file names, else the one whose number begins an OAuth client's id.
 * Two files of one project, where one names it and the other has its number, count as two.
 */
export function projectOf (credentials: string): string {
  const { quota_project_id: quota, project_id: project, client_id: client } = readKeys(credentials)
  return `google cloud project ${quota ?? project ?? /^\d+/.exec(client ?? '')?.[0] ?? 'unknown'}`
}
